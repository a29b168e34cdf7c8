#!/bin/sh
# Give a bare Debian machine what the container tests need: a Docker engine (>= 25, for
# healthcheck start intervals), the compose and buildx plugins, and the Python base image.
#
# Idempotent: each step is skipped where it already holds. On a machine that already has an
# engine nothing is installed or started. Needs root only where something is missing.
# Packages come from the machine's own Debian mirror; no other source is named or used.
set -eu

BASE_IMAGE="${BASE_IMAGE:-python:3.13-slim}"
SUITE=trixie                         # first Debian suite with engine >= 25, compose v2, Python 3.13
PREFIX=/opt/docker-engine            # where the newer packages are unpacked on an older Debian
POOL=172.30                          # the /16 that every container network comes from
LOG=/var/log/dockerd.log
CACHE="${TMPDIR:-/tmp}/docker-engine-cache"

say() { printf 'docker-engine: %s\n' "$*" >&2; }
have_engine() { docker info >/dev/null 2>&1; }

apt_install() {
    [ -n "${apt_updated:-}" ] || { apt-get update -qq >/dev/null; apt_updated=1; }
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Unpack packages of $SUITE into $PREFIX, leaving the machine's own packages alone.
unpack_newer() {
    mkdir -p "$CACHE/lists/partial" "$CACHE/debs" "$PREFIX"
    # shellcheck disable=SC2016  # apt's own variables
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
        awk -v suite="$VERSION_CODENAME" '$2 == suite && $3 == "main" { print $1; exit }')
    [ -n "$mirror" ] || { say "apt knows no Debian mirror: see /etc/apt/sources.list.d"; exit 1; }
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $SUITE main" >"$CACHE/$SUITE.list"
    opts="-o Dir::Etc::SourceList=$CACHE/$SUITE.list -o Dir::Etc::SourceParts=/dev/null
          -o Dir::State::Lists=$CACHE/lists -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache="
    # shellcheck disable=SC2086  # $opts is a list of words
    apt-get -qq $opts update >/dev/null
    # shellcheck disable=SC2086
    (cd "$CACHE/debs" && apt-get -qq $opts download "$@" 2>/dev/null)
    for deb in "$CACHE"/debs/*.deb; do dpkg -x "$deb" "$PREFIX"; done
}

install_engine() {
    . /etc/os-release
    if [ "$VERSION_CODENAME" = bookworm ]; then
        apt_install iptables iproute2 runc ca-certificates
        unpack_newer docker.io containerd docker-cli docker-compose docker-buildx tini
        rm -f "$PREFIX/usr/sbin/runc"    # built for a newer libc; the machine's own one serves
        [ -x "$PREFIX/usr/bin/docker-init" ] || cp "$PREFIX/usr/bin/tini-static" "$PREFIX/usr/bin/docker-init"
        command -v docker >/dev/null || ln -s "$PREFIX/usr/bin/docker" /usr/local/bin/docker
    else
        apt_install iptables iproute2 docker.io docker-cli docker-compose docker-buildx tini
    fi
}

install_plugins() {
    mkdir -p "$HOME/.docker/cli-plugins"
    for plugin in compose buildx; do
        docker "$plugin" version >/dev/null 2>&1 && continue
        found=$(find "$PREFIX" /usr/libexec/docker /usr/lib/docker -path "*cli-plugins/docker-$plugin" 2>/dev/null | head -n 1)
        [ -n "$found" ] || { say "no docker-$plugin plugin found"; exit 1; }
        ln -sf "$found" "$HOME/.docker/cli-plugins/docker-$plugin"
    done
}

# An engine that was killed leaves its pid file; where the number is another process's by now, a new
# engine would take that for itself.
forget_killed() {
    pid=$(cat "$1" 2>/dev/null) || return 0
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] || rm -f "$1"
}

start_engine() {
    forget_killed /var/run/docker.pid dockerd
    forget_killed /var/run/docker/containerd/containerd.pid containerd
    uplink=$(ip -o route get 192.0.2.254 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p')
    # A job that runs in a container of such an engine must not use the same addresses again.
    ! ip -o -4 address show dev "${uplink:-lo}" | grep -q "inet $POOL\." || POOL=172.28
    # Container networks live in one pool, and what no bridge answers for stops here instead of
    # leaving the machine by its default route. The bridges take over the uplink's MTU.
    ip route replace unreachable "$POOL.0.0/16" metric 4096 2>/dev/null || true
    mtu=$(cat "/sys/class/net/${uplink:-eth0}/mtu" 2>/dev/null || echo 1500)
    PATH="$PREFIX/usr/sbin:$PREFIX/usr/bin:$PATH" setsid nohup dockerd --mtu "$mtu" \
        --bip "$POOL.255.1/24" --default-address-pool "base=$POOL.0.0/16,size=24" >"$LOG" 2>&1 </dev/null &
    tries=0
    until have_engine; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || { say "dockerd did not start; see $LOG"; tail -n 5 "$LOG" >&2; exit 1; }
        sleep 0.5
    done
}

# The official image where a registry answers; else one of the same shape made from Debian packages.
provide_base_image() {
    docker image inspect "$BASE_IMAGE" >/dev/null 2>&1 && return
    timeout 30 docker pull -q "$BASE_IMAGE" >/dev/null 2>&1 && return
    say "no registry answers; building $BASE_IMAGE from Debian packages"
    command -v debootstrap >/dev/null || apt_install debootstrap
    root=$(mktemp -d)
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$SUITE" "$root" >"$CACHE.debootstrap.log" 2>&1 ||
        { tail -n 5 "$CACHE.debootstrap.log" >&2; exit 1; }
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    ln -s /usr/bin/python3 "$root/usr/local/bin/python"
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/*
    tar -C "$root" -c . | docker import -c 'ENV PATH=/usr/local/bin:/usr/bin:/bin' -c 'CMD ["python3"]' - "$BASE_IMAGE" >/dev/null
    rm -rf "$root"
}

# Say what is about to change, before anything does.
announce() {
    if have_engine; then
        say "an engine answers: nothing is installed or started"
    else
        command -v dockerd >/dev/null || [ -x "$PREFIX/usr/sbin/dockerd" ] ||
            say "will install: Debian packages of a Docker engine (on bookworm those of $SUITE, unpacked into $PREFIX)"
        say "will start, unless one answers then: dockerd in the background, with its log in $LOG"
        say "will change: the route to $POOL.0.0/16, or 172.28.0.0/16 where that is taken: container networks"
    fi
    for plugin in compose buildx; do
        docker "$plugin" version >/dev/null 2>&1 || say "will link: the $plugin plugin into ~/.docker/cli-plugins"
    done
    docker image inspect "$BASE_IMAGE" >/dev/null 2>&1 || say "will provide: the image $BASE_IMAGE, where no registry answers by debootstrap"
}

announce
if ! have_engine; then
    [ "$(id -u)" = 0 ] || { say "no Docker engine answers, and only root can install one"; exit 1; }
    command -v dockerd >/dev/null || [ -x "$PREFIX/usr/sbin/dockerd" ] || { say "installing the engine"; install_engine; }
    # A job in a container may have been given the engine's socket, and lacked the command only.
    have_engine || { say "starting the engine"; start_engine; }
fi
install_plugins
provide_base_image
say "engine $(docker version -f '{{.Server.Version}}'), compose $(docker compose version --short), base image $BASE_IMAGE"
