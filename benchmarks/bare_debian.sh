#!/usr/bin/env bash
# `make demo` in a bare Debian 12: no libGL, no libgomp, no ffmpeg; what this machine has and
# a user's may lack cannot hide there.  Needs root and debootstrap.
#
#   benchmarks/bare_debian.sh [FOLDER] [READ-ONLY PATH TO SHOW INSIDE ...]
#
# FOLDER keeps the root between runs (default: a temporary one).  pip inside uses this machine's
# configuration: its PIP_* and proxy variables, its configuration files and certificates.  Name
# the local folders that these point to, if any, so that they are shown inside as well.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
keep=${1:-}
shift || true
root=${keep:-$(mktemp -d)}
mounted=()

finish() {
    for point in "${mounted[@]}"; do umount "$point"; done
    if [ -z "$keep" ]; then rm -rf --one-file-system "$root"; fi
}
trap finish EXIT

show() {
    mkdir -p "$root$1"
    mount --bind -o ro "$1" "$root$1"
    mounted=("$root$1" "${mounted[@]}")
}

if [ ! -x "$root/usr/bin/python3" ]; then
    mirror=$(apt-get indextargets --format '$(SITE)' | head -n 1)
    debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates,make \
        bookworm "$root" "$mirror"
fi
mkdir -p "$root/proc" "$root/home/user"
mount -t proc proc "$root/proc"
mounted=("$root/proc" "${mounted[@]}")
for path in "$@"; do show "$path"; done

if [ -f /etc/pip.conf ]; then cp -L /etc/pip.conf "$root/etc/"; fi
if [ -f "$HOME/.config/pip/pip.conf" ]; then
    mkdir -p "$root/home/user/.config/pip"
    cp -L "$HOME/.config/pip/pip.conf" "$root/home/user/.config/pip/"
fi
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"

rm -rf "$root/home/user/enliven"
git clone --quiet "$here" "$root/home/user/enliven"
mapfile -t settings < <(env | grep -iE '^(PIP_|https?_proxy=|no_proxy=)' || true)

inside() {
    chroot "$root" /usr/bin/env -i HOME=/home/user PATH=/usr/bin:/bin LANG=C.UTF-8 \
        "${settings[@]}" sh -c "cd ~/enliven && $1"
}
inside 'dpkg -l | grep -cE "libgl1|libgomp1|ffmpeg|libglib2" || true'
time inside 'make demo'
time inside 'make demo'
inside '.venv/bin/enliven doctor'
