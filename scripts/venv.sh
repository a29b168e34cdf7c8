#!/bin/sh
# Make a virtual environment with this project in it: scripts/venv.sh FOLDER [EXTRAS]
#
# The folder gets its name only when it is complete, so an interrupted run leaves nothing that
# looks whole. It is made anew when pyproject.toml or the Python changes, else left as it is.
# What is missing is said first, in one line with the fix. PYTHON names the interpreter.
set -eu

folder=$1
extras=${2:+"[$2]"}
python=${PYTHON:-python3}
again=${MAKE_TARGET:+" make $MAKE_TARGET"}

fail() { printf 'paglets: %s\n' "$*" >&2; exit 1; }

command -v "$python" >/dev/null 2>&1 ||
    fail "there is no $python. Fix: install Python 3.11 or newer, or PYTHON=/path/to/python3.12${again}"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python is $("$python" -V 2>&1 | cut -d' ' -f2), paglets needs 3.11. Fix: PYTHON=python3.12${again}"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python has no venv module. Fix: apt-get install python3-venv, or your system's name for it"

stamp=$("$python" - <<'END'
import hashlib, pathlib, sys
print(hashlib.sha256(pathlib.Path("pyproject.toml").read_bytes() + sys.version.encode()).hexdigest())
END
)
[ "$(cat "$folder/.complete" 2>/dev/null || true)" != "$stamp$extras" ] || exit 0

new="$PWD/$folder.new.$$"
trap 'rm -rf "$new"' EXIT
trap 'exit 130' INT TERM
printf 'paglets: making %s with %s …\n' "$folder" "$("$python" -V)" >&2
"$python" -m venv "$new"
pip() { "$new/bin/python" -m pip --disable-pip-version-check -q --retries 2 --timeout 15 "$@"; }
# A small download first: it tells a missing network from a package that does not build.
pip download --no-deps -d "$new/probe" hatchling >/dev/null 2>&1 ||
    fail "no package index answers. Fix: connect to the network, or set PIP_INDEX_URL or PIP_FIND_LINKS"
rm -rf "$new/probe"
pip install -e ".$extras" || fail "the installation failed, see above"

# Scripts carry the folder's path; they get the one it is about to have.
"$new/bin/python" - "$new" "$PWD/$folder" <<'END'
import pathlib, sys
old, new = (text.encode() for text in sys.argv[1:])
for script in pathlib.Path(sys.argv[1], "bin").iterdir():
    if script.is_file() and not script.is_symlink() and old in (body := script.read_bytes()):
        script.write_bytes(body.replace(old, new))
END
printf '%s' "$stamp$extras" >"$new/.complete"
if [ -e "$folder" ]; then
    mv "$folder" "$folder.old.$$"
    rm -rf "$folder.old.$$"
fi
mv "$new" "$folder"
