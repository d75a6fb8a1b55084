#!/bin/sh
# Says which devices of a fleet have their images, marks those that have, and switches only them.
set -eu
. "$(dirname "$0")/common.sh"

usage() {
  cat <<'USAGE'
Says which devices of a fleet have their images, marks those that have, and switches only them.

  fleet.sh status --hub NAME [--wants NAME=IMAGE]...    how many are ready, how far the others are, and why
  fleet.sh missing --hub NAME [--wants NAME=IMAGE]...   one line for each device that is not ready
  fleet.sh tag --hub NAME --wants NAME=IMAGE --tag KEY=VALUE [--max N] [--apply]
                                                        tags the devices that are ready
  fleet.sh switch --hub NAME --tag KEY=VALUE --deployment ID --content FILE --priority N [--apply]
                                                        a deployment for the devices with the tag, now and later

Ready is a device that reports it for the newest desired properties it was given. Without --apply, tag and switch look,
and say what they would do. What is done already is not done again: call them as often as you like.

  --hub NAME             the IoT hub
  --module NAME          the module (puller)
  --wants NAME=IMAGE     only modules whose desired images.NAME is IMAGE, as it is written there
  --where CONDITION      only modules for which this holds too, in IoT Hub's query language
  --tag KEY=VALUE        a tag of device twins; KEY is of letters, digits and _
  --max N                tag at most N devices this time
  --deployment ID        of the deployment
  --content FILE         its manifest: a layer, which has paths (properties.desired.modules.NAME), or a full one
  --priority N           higher than that of the base, and of the deployment it takes over from
  --subscription NAME    of the hub
  --apply                do it
  --help                 this

It ends with 0 when all is done, 1 for a failure, 2 for a wrong call.
It needs the Azure CLI, logged in, with its extension azure-iot.
USAGE
}

hub='' module=puller wants='' where='' tag='' max='' deployment='' content='' priority='' subscription='' apply=no
case ${1-} in
status | missing | tag | switch) command=$1 && shift ;;
--help | -h) usage && exit ;;
*) misuse "${1:-nothing} is no command: status, missing, tag or switch" ;;
esac

while [ $# -gt 0 ]; do
  case $1 in
  --help | -h) usage && exit ;;
  --apply) apply=yes && shift && continue ;;
  --*) need_value "$1" $# "${2-}" ;;
  esac
  case $1 in
  --hub) hub=$2 ;;
  --module) module=$2 ;;
  --wants)
    name=${2%%=*} image=${2#*=}
    need_name "$1" "$name"
    case $2 in *=?*) ;; *) misuse "$1 $2: NAME=IMAGE, as in camera=acme/camera:1.5" ;; esac
    case $image in *[!A-Za-z0-9./:@\$_-]*) misuse "$1 $2: that is no image reference" ;; esac
    # In short form the entry is the text itself; IoT Hub compares no objects, so only where it is none.
    entry="properties.desired.images.[[$name]]"
    wants="$wants AND ($entry.image = '$image' OR (NOT is_defined($entry.image) AND $entry = '$image'))"
    ;;
  --where) where=" AND ($2)" ;;
  --tag) tag=$2 ;;
  --max) max=$2 && need_number "$1" "$2" ;;
  --deployment) deployment=$2 ;;
  --content) content=$2 ;;
  --priority) priority=$2 && need_number "$1" "$2" ;;
  --subscription) subscription=$2 ;;
  *) misuse "$1 is no option" ;;
  esac
  shift 2
done
need_name --hub "$hub"
need_name --module "$module"

these="moduleId = '$module'$wants$where"
# Each module has a count of its own for its desired properties; this compares it with itself.
newest='properties.reported.lastDesiredVersion = properties.desired.$version'
ready="$these AND $newest AND properties.reported.summary.ready = true"
unready="$these AND (NOT is_defined(properties.reported.summary.ready) OR properties.reported.summary.ready != true OR properties.reported.lastDesiredVersion != properties.desired.\$version)"

in_hub() {
  set -- "$@" --hub-name "$hub"
  [ -z "$subscription" ] || set -- "$@" --subscription "$subscription"
  "$@"
}

# query SQL JMESPATH: sets `answer`, a line a row.
query() {
  in_hub look "the twins of $hub" az iot hub query --query-command "$1" --query "$2" --output tsv
}

# number SQL: sets `answer` to the number called n, 0 where there is no row.
number() {
  query "$1" '[0].n'
  answer=${answer:-0}
}

need_tag() {
  key=${tag%%=*} value=${tag#*=}
  case $tag in *=?*) ;; *) misuse "--tag KEY=VALUE is missing, as in staged=2026-12" ;; esac
  need_name --tag "$key"
  need_name --tag "$value"
  # As it stands in conditions, where a dot leads on and - is minus.
  case $key in
  [0-9]* | *[!A-Za-z0-9_]*) misuse "--tag $key: letters, digits and _ are allowed in a key, no digit first: IoT Hub would read anything else in another way" ;;
  esac
  tagged="tags.$key = '$value'"
}

# What is not there yet of one device's images, as JMESPath.
unpulled='values(images || `{}`)[?phase != `"Pulled"`]'

show_status() {
  number "SELECT COUNT() AS n FROM devices.modules WHERE $these" && all=$answer
  number "SELECT COUNT() AS n FROM devices.modules WHERE $these AND $newest" && caught_up=$answer
  number "SELECT COUNT() AS n FROM devices.modules WHERE $ready" && done=$answer
  number "SELECT SUM(properties.reported.summary.pulled) AS n FROM devices.modules WHERE $these" && pulled=$answer
  number "SELECT SUM(properties.reported.summary.desired) AS n FROM devices.modules WHERE $these" && desired=$answer
  say "$all devices, $done of them ready"
  say "$caught_up have taken up their newest desired properties"
  say "$pulled of $desired images are there"
  query "SELECT properties.reported.images AS images FROM devices.modules WHERE $unready" \
    "[].${unpulled}[] | [].join(' ', [phase, reason][?@])"
  [ -z "$answer" ] || printf '%s\n' "$answer" | sort | uniq -c | sort -rn
  number "SELECT COUNT() AS n FROM devices.modules WHERE $unready AND properties.reported.lastDesiredStatus.code > 200"
  [ "$answer" -eq 0 ] || say "$answer are not ready and have a fault in their desired properties: fleet.sh missing says which"
}

show_missing() {
  query "SELECT deviceId, properties.desired.\$version AS wanted, properties.reported.lastDesiredVersion AS taken, properties.reported.lastDesiredStatus AS status, properties.reported.summary AS summary, properties.reported.images AS images FROM devices.modules WHERE $unready" \
    "[].join('  ', [deviceId, join('/', [to_string(summary.pulled || \`0\`), to_string(summary.desired || \`0\`)]), join('; ', [(summary == \`null\` && 'has reported nothing'), (taken != wanted && 'has not taken up what is desired now'), status.description, join(', ', ${unpulled}.join(' ', [image, phase, reason][?@]))][?@])])"
  [ -z "$answer" ] || printf '%s\n' "$answer"
}

# IoT Hub takes 8,192 characters of condition, so a job is for as many devices as fit.
max_condition=7000

# list_untagged: the devices that are ready and lack the tag, a line each, in $work/untagged.
list_untagged() {
  query "SELECT deviceId FROM devices.modules WHERE $ready" '[].deviceId'
  printf '%s\n' "$answer" | grep . | LC_ALL=C sort -u >"$work/ready" || :
  query "SELECT deviceId FROM devices WHERE $tagged" '[].deviceId'
  printf '%s\n' "$answer" | grep . | LC_ALL=C sort -u >"$work/tagged" || :
  LC_ALL=C comm -23 "$work/ready" "$work/tagged" | head -n "${max:-1000000}" >"$work/untagged"
  say "$(count ready) devices are ready, $(count tagged) have $key=$value, $(count untagged) get it now"
  lapsed=$(LC_ALL=C comm -13 "$work/ready" "$work/tagged" | grep -c . || :)
  [ "$lapsed" -eq 0 ] || say "of those with the tag, $lapsed are not ready (any more): fleet.sh missing says why"
}

count() { grep -c . "$work/$1" || :; }

# The ids as a list of texts in IoT Hub's language, one job a line.
pack_conditions() {
  sed "s/'/\\\\'/g; s/.*/'&'/" | awk -v max="$max_condition" '
    list != "" && length(list) + length($0) + 1 > max { print "deviceId IN [" list "]"; list = "" }
    { list = list == "" ? $0 : list "," $0 }
    END { if (list != "") print "deviceId IN [" list "]" }'
}

do_tag() {
  need_tag
  # Without it, a device that is ready for what was wanted before would be tagged for what is wanted now.
  [ -n "$wants$where" ] || misuse 'tag needs --wants (or --where): which images do the devices have to be ready for?'
  list_untagged
  pack_conditions <"$work/untagged" >"$work/conditions"
  prefix="tag-$value-$(date +%Y%m%d%H%M%S)" job=0
  while IFS= read -r condition <&3; do
    job=$((job + 1))
    run_job "$prefix-$job" "$condition"
  done 3<"$work/conditions"
}

# run_job ID CONDITION
run_job() {
  id=$1
  set -- az iot hub job create --job-id "$1" --job-type scheduleUpdateTwin --query-condition "$2" \
    --twin-patch "{\"tags\":{\"$key\":\"$value\"}}" --wait --poll-duration 7200 \
    --query "join(' ', [status, to_string(deviceJobStatistics.failedCount || \`0\`)])" --output tsv
  if [ "$apply" = no ]; then
    say "  would run: $(in_hub quote "$@")"
    return
  fi
  say "  $(in_hub quote "$@")"
  # One job at a time: that is all that a hub of tier S1 runs.
  in_hub look 'the outcome of the job' "$@" </dev/null
  case $answer in
  'completed 0') ;;
  completed\ *) say "  ${answer#* } devices of this job could not be tagged; the next call tries them again" ;;
  *) fail "the job is $answer; az iot hub job show --hub-name $hub --job-id $id" ;;
  esac
}

do_switch() {
  need_tag
  need_name --deployment "$deployment"
  case $deployment in *[A-Z]*) misuse "--deployment $deployment: small letters only" ;; esac
  [ -n "$priority" ] || misuse '--priority is missing'
  [ -f "$content" ] || misuse "--content ${content:-FILE}: there is no such file"
  grep -Eq '"imagePullPolicy"[[:space:]]*:[[:space:]]*"never"' "$content" ||
    say "note: no module in $content has \"imagePullPolicy\": \"never\", so IoT Edge asks the registry all the same"
  # As IoT Hub tells them apart.
  layered=--layered
  grep -Eq '"properties\.desired\.[^"]+"[[:space:]]*:' "$content" || {
    layered=
    say "note: $content is no layer: modules that it does not name are taken away, and layers of a priority below $priority no longer apply"
  }
  number "SELECT COUNT() AS n FROM devices WHERE $tagged"
  say "$answer devices have $key=$value"
  in_hub look "deployment $deployment" az iot edge deployment show --deployment-id "$deployment" \
    --query "join(' ', [to_string(priority), targetCondition])" --output tsv
  if [ "$found" = no ]; then
    say "deployment $deployment: is not there"
    in_hub change az iot edge deployment create --deployment-id "$deployment" --content "$content" \
      --target-condition "$tagged" --priority "$priority" ${layered:+"$layered"} --output none
  elif [ "$answer" = "$priority $tagged" ]; then
    say "deployment $deployment: is there, for just these devices. Its manifest cannot change: a new one needs a new name."
  else
    fail "deployment $deployment is there with priority and target condition $answer: choose another --deployment"
  fi
}

need_az
case $command in
status) show_status ;;
missing) show_missing ;;
tag) announce && do_tag ;;
switch) announce && do_switch ;;
esac
