#!/bin/sh
# Gives the module on one device read access to its images, and the password a way into its twin that nobody sees.
set -eu
. "$(dirname "$0")/common.sh"

usage() {
  cat <<'USAGE'
Gives the puller on one device read access to its images: the registry's side, and the way of the password.

  registry-access.sh --registry NAME --token NAME --repository NAME... --hub NAME --device ID [options]

  1. a scope map with content/read for each repository
  2. a client token with that scope map
  3. the token among the client tokens of the connected registry
  4. a password of the token, put into the module's twin

Without --apply it looks, and says what it would do. What is there already stays as it is: run it again at any time,
also to add a repository. A password is made only where the twin has none of this token, or for --rotate. It goes
from one az to the other through a pipe: it is never printed, never an argument and never in a file.

  --registry NAME              the Azure Container Registry, without .azurecr.io
  --token NAME                 the client token, of this device alone: another's password would be made anew as well;
                               for one token on many devices see docs/fleet.md
  --repository NAME            a repository to be read; as often as needed
  --hub NAME                   the IoT hub
  --device ID                  the IoT Edge device

  --connected-registry NAME    the connected registry that is to take the token; left out, there is no step 3
  --address HOST[:PORT]        the registry as the engine on the device reaches it (127.0.0.1:8000)
  --entry NAME                 its name in registryCredentials (plant)
  --module NAME                the module (puller)
  --scope-map NAME             (the token's name and -pull)
  --rotate password|password2  make this password anew, and put it into the twin
  --expiration-in-days N       of a password that is made (none)
  --wait MINUTES               then wait for the module to say that its login succeeded
  --resource-group NAME        of the registry
  --subscription NAME          of the registry and the hub
  --apply                      do it
  --help                       this

It ends with 0 when all is done, 1 for a failure, 2 for a wrong call, 4 when it waited in vain.
It needs the Azure CLI, logged in, with its extension azure-iot.
USAGE
}

registry='' token='' repositories='' hub='' device='' connected='' address=127.0.0.1:8000 entry=plant module=puller
scope_map='' rotate='' days='' minutes=0 group='' subscription='' apply=no
interval=15

while [ $# -gt 0 ]; do
  case $1 in
  --help | -h) usage && exit ;;
  --apply) apply=yes && shift && continue ;;
  --*) need_value "$1" $# "${2-}" ;;
  esac
  case $1 in
  --registry) registry=$2 ;;
  --token) token=$2 ;;
  --repository)
    case $2 in *[!a-z0-9._/-]*) misuse "--repository $2: the repository alone, without registry, tag and digest" ;; esac
    repositories="$repositories $2"
    ;;
  --hub) hub=$2 ;;
  --device) device=$2 ;;
  --connected-registry) connected=$2 ;;
  --address) address=$2 ;;
  --entry) entry=$2 ;;
  --module) module=$2 ;;
  --scope-map) scope_map=$2 ;;
  --rotate) rotate=$2 ;;
  --expiration-in-days) days=$2 && need_number "$1" "$2" ;;
  --wait) minutes=$2 && need_number "$1" "$2" ;;
  --resource-group) group=$2 ;;
  --subscription) subscription=$2 ;;
  *) misuse "$1 is no option" ;;
  esac
  shift 2
done

case $registry in *.*) misuse "--registry $registry: the name alone, without .azurecr.io" ;; esac
need_name --registry "$registry"
need_name --token "$token"
need_name --hub "$hub"
need_name --entry "$entry"
case $entry in *.*) misuse "--entry $entry: no dot is allowed in the key of a twin" ;; esac
need_name --module "$module"
[ -n "$device" ] || misuse '--device is missing'
[ -n "$repositories" ] || misuse '--repository is missing'
[ -z "$connected" ] || need_name --connected-registry "$connected"
need_name --scope-map "${scope_map:=$token-pull}"
case $address in *[!A-Za-z0-9.:\$-]*) misuse "--address $address: host[:port], without https:// and path" ;; esac
case $rotate in '' | password | password2) ;; *) misuse "--rotate $rotate: password or password2" ;; esac
[ "$minutes" -eq 0 ] || [ "$apply" = yes ] || misuse '--wait has nothing to wait for without --apply'

# What every call to the registry, and to the twin, needs at its end. The first words say what becomes of the command:
# look …, change …, or az itself.
in_registry() {
  [ -z "$group" ] || set -- "$@" --resource-group "$group"
  [ -z "$subscription" ] || set -- "$@" --subscription "$subscription"
  "$@"
}

in_twin() {
  set -- "$@" --hub-name "$hub" --device-id "$device" --module-id "$module"
  [ -z "$subscription" ] || set -- "$@" --subscription "$subscription"
  "$@"
}

# read_twin JMESPATH: sets `answer`. az picks on this side; of passwords it is only asked whether there are any.
read_twin() {
  in_twin look "the twin of $device/$module in $hub" az iot hub module-twin show --query "$1" --output tsv
  [ "$found" = yes ] || fail "there is no module $module on $device in $hub: deploy it first"
}

check_registry() {
  in_registry look "registry $registry" az acr show --name "$registry" --query name --output tsv
  [ "$found" = yes ] || fail "there is no registry $registry, or you may not see it"
}

ensure_scope_map() {
  in_registry look "scope map $scope_map" \
    az acr scope-map show --registry "$registry" --name "$scope_map" --query actions --output tsv
  was_found=$found actions=$answer missing=''
  for repository in $repositories; do
    printf '%s\n' "$actions" | grep -qxF "repositories/$repository/content/read" || missing="$missing $repository"
  done
  if [ -z "$missing" ]; then
    say "scope map $scope_map: lets the repositories be read"
    return
  fi
  if [ "$was_found" = yes ]; then
    say "scope map $scope_map: lacks$missing"
    verb=update flag=--add-repository
  else
    say "scope map $scope_map: is not there"
    verb=create flag=--repository
  fi
  set -- az acr scope-map $verb --registry "$registry" --name "$scope_map" --output none
  for repository in $missing; do set -- "$@" $flag "$repository" content/read; done
  in_registry change "$@"
}

ensure_token() {
  in_registry look "token $token" az acr token show --registry "$registry" --name "$token" \
    --query "join(' ', [status, (scopeMapId || '-')])" --output tsv
  if [ "$found" = no ]; then
    say "token $token: is not there"
    # Without --no-passwords, az makes two passwords and prints them.
    in_registry change az acr token create --registry "$registry" --name "$token" --scope-map "$scope_map" \
      --no-passwords true --output none
    return
  fi
  case $answer in
  enabled\ */scopeMaps/"$scope_map") say "token $token: is there, with scope map $scope_map" ;;
  enabled\ *) fail "token $token has another scope map: ${answer##*/}. Name it with --scope-map, or choose another --token." ;;
  *) fail "token $token is disabled: az acr token update --registry $registry --name $token --status enabled" ;;
  esac
}

ensure_client_token() {
  [ -n "$connected" ] || return 0
  in_registry look "connected registry $connected" az acr connected-registry show --registry "$registry" \
    --name "$connected" --query "clientTokenIds || \`[]\`" --output tsv
  [ "$found" = yes ] || fail "there is no connected registry $connected at $registry"
  if printf '%s\n' "$answer" | grep -q "/tokens/$token\$"; then
    say "connected registry $connected: takes the token"
    return
  fi
  say "connected registry $connected: does not take the token yet"
  in_registry change az acr connected-registry update --registry "$registry" --name "$connected" \
    --add-client-tokens "$token" --output none
}

# Which password to make: sets `slot` as the twin calls it, empty for none, and `other`, what goes with it.
choose_slot() {
  at="properties.desired.registryCredentials.\"$entry\""
  read_twin "join(' ', [($at.username || '-'), ($at.address || '-'), to_string($at.password != \`null\`), to_string($at.password2 != \`null\`)])"
  other=
  case $answer in
  "$token $address false false" | "- "*)
    slot=${rotate:-password}
    say "twin of $device/$module: has no password for $entry"
    ;;
  "$token $address "*)
    slot=$rotate
    case $rotate:$answer in
    :*) say "twin of $device/$module: $entry has a password of the token; --rotate makes another" ;;
    password:*\ false | password2:*\ false\ *)
      case $rotate in password) first=password2 ;; *) first=password ;; esac
      fail "the twin has no other password than the one that --rotate would end: --rotate $first first, and wait for the sync"
      ;;
    *) say "twin of $device/$module: $entry gets a new $rotate" ;;
    esac
    ;;
  *)
    # The passwords of another token must not stay beside this one's name.
    slot=${rotate:-password}
    case $slot in password) other=',"password2":null' ;; *) other=',"password":null' ;; esac
    say "twin of $device/$module: $entry is $(printf '%s' "$answer" | cut -d ' ' -f 1,2), and is to be $token $address"
    ;;
  esac
}

# mask TEXT SECRET: the text with the secret blotted out, by the shell alone.
mask() {
  rest=$1 clear=
  while :; do
    case $rest in
    *"$2"*) clear="$clear${rest%%"$2"*}[secret]" rest=${rest#*"$2"} ;;
    *) break ;;
    esac
  done
  printf '%s\n' "$clear$rest"
}

move_password() {
  [ -n "$slot" ] || return 0
  case $slot in password) which=password1 ;; *) which=password2 ;; esac
  set -- az acr token credential generate --registry "$registry" --name "$token" "--$which" \
    --query "passwords[?name=='$which'].value | [0]" --output tsv --only-show-errors
  [ -z "$days" ] || set -- "$@" --expiration-in-days "$days"
  update="az iot hub module-twin update --desired @- --output none"
  if [ "$apply" = no ]; then
    say "  would run: $(in_registry quote "$@") | …"
    # shellcheck disable=SC2086
    say "  would give what it answers, as JSON, to: $(in_twin quote $update)"
    return
  fi
  say "  $(in_registry quote "$@") | …"
  if ! secret=$(in_registry "$@" 2>"$work/error"); then
    cat "$work/error" >&2
    fail 'no password was made; the twin is as it was'
  fi
  case $secret in
  '' | *[!\ -~]* | *[\"\\]*) fail "az answered with no password; the old $slot may be void all the same: call again with --rotate $slot" ;;
  esac
  # shellcheck disable=SC2086
  say "  … | $(in_twin quote $update)"
  # printf and the pipe are the shell's own: the secret is an argument of no process.
  # shellcheck disable=SC2086
  if ! printf '{"registryCredentials":{"%s":{"address":"%s","username":"%s","%s":"%s"%s}}}' \
    "$entry" "$address" "$token" "$slot" "$secret" "$other" | in_twin $update >/dev/null 2>"$work/error"; then
    mask "$(cat "$work/error")" "$secret" >&2
    fail "the new $slot of $token did not get into the twin, and nobody can read it again: call again with --rotate $slot"
  fi
  unset secret
  say "twin of $device/$module: has the new $slot"
}

# A connected registry learns of a token and of its passwords at its next sync; until then it refuses them.
await_login() {
  [ "$minutes" -gt 0 ] || return 0
  at="properties.reported.registries.\"$entry\""
  caught_up='properties.reported.lastDesiredVersion == properties.desired."$version"'
  left=$((minutes * 60 / interval + 1)) last=
  while [ "$left" -gt 0 ]; do
    read_twin "join(' ', [to_string($caught_up), ($at.login || 'Unknown'), ($at.credential || '-'), ($at.reason || '-')])"
    case $answer in
    false\ *) now='the module has not taken up its new desired properties yet' ;;
    *\ Unauthorized) now='refused; the connected registry has not synced the password yet, or never will' ;;
    true\ Succeeded\ *)
      used=$(printf '%s' "$answer" | cut -d ' ' -f 3)
      say "login: succeeded with $used"
      [ "$used" = "${slot:-$used}" ] || say "login: $slot was not needed, and so not tried; CheckRegistry tries each password"
      return
      ;;
    *) now=${answer#* } ;;
    esac
    [ "$now" = "$last" ] || say "login: $now"
    last=$now left=$((left - 1))
    [ "$left" -eq 0 ] || sleep "$interval"
  done
  say "login: not within $minutes minutes. The module goes on trying by itself."
  [ -z "$connected" ] || say "When did the registry sync? az acr connected-registry show --registry $registry --name $connected --query '[connectionState, lastActivityTime]'"
  exit 4
}

need_az
announce
check_registry
read_twin moduleId
ensure_scope_map
ensure_token
ensure_client_token
choose_slot
move_password
await_login
