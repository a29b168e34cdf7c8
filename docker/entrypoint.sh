#!/bin/sh
# Options alone mean `paglets host`; a command of paglets needs no `paglets` before it; anything
# else that can be run is run.
set -eu
case "${1:-}" in
'' | -*) set -- paglets host "$@" ;;
host | agent | mesh | service | launch | events | transfer | examples | demo | key | jobs | user | completion)
    set -- paglets "$@" ;;
esac
exec "$@"
