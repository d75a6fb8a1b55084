# What the operator's tools share. They read it; it does nothing by itself.
# shellcheck shell=sh disable=SC2034,SC2154

# What a tool writes is for nobody else, and a trace of the shell would show a password.
umask 077
set +x

say() { printf '%s\n' "$*"; }

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

misuse() {
  printf '%s: %s (--help tells more)\n' "${0##*/}" "$*" >&2
  exit 2
}

# need_value OPTION ARGUMENTS-LEFT VALUE
need_value() {
  [ "$2" -ge 2 ] || misuse "$1 needs a value"
  case $3 in '' | --*) misuse "$1 needs a value" ;; esac
}

# need_name OPTION VALUE: what becomes part of a path, a query or JSON is a plain name.
need_name() {
  [ -n "$2" ] || misuse "$1 is missing"
  case $2 in *[!A-Za-z0-9._-]*) misuse "$1 $2: letters, digits and . _ - only" ;; esac
}

# need_number OPTION VALUE
need_number() {
  case $2 in '' | *[!0-9]*) misuse "$1 $2: a whole number, please" ;; esac
}

# A command as one would type it.
quote() {
  line=
  for word in "$@"; do
    case $word in
    '' | *[!A-Za-z0-9_./:=@%+,-]*) word="'$(printf '%s' "$word" | sed "s/'/'\\\\''/g")'" ;;
    esac
    line="$line${line:+ }$word"
  done
  printf '%s' "$line"
}

# change COMMAND…: runs what changes something, or says what would run.
change() {
  if [ "$apply" = no ]; then
    say "  would run: $(quote "$@")"
    return
  fi
  say "  $(quote "$@")"
  "$@" >/dev/null || fail 'that failed. What was done before stays; the same call again goes on from there.'
}

# look WHAT COMMAND…: runs what only reads; sets `answer`, and `found` to no where az says that there is no such thing,
# which it does by ending with 3. Any other failure ends the tool, with az's own words.
look() {
  what=$1 status=0 found=yes
  shift
  answer=$("$@" 2>"$work/error") || status=$?
  case $status in
  0) ;;
  3) found=no ;;
  *)
    cat "$work/error" >&2
    fail "cannot read $what"
    ;;
  esac
}

# A folder for az's error stream, for this user alone, gone when the tool ends.
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

need_az() {
  command -v az >/dev/null || fail 'needs the Azure CLI: https://learn.microsoft.com/cli/azure/install-azure-cli'
}

announce() { [ "$apply" = yes ] || say 'dry run: it looks and changes nothing; --apply does it'; }
