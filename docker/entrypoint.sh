#!/bin/sh
# Options alone mean `paglets host`; a command of paglets needs no `paglets` before it; anything
# else that can be run is run.
set -eu
case "${1:-}" in
'' | -*) set -- paglets host "$@" ;;
agent | completion | demo | events | examples | host | jobs | key | launch | mesh | service | transfer | user)
    set -- paglets "$@" ;;
esac
exec "$@"
