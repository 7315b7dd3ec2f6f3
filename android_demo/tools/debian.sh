#!/bin/sh
# Lays dx and Android's framework classes, of Debian 11, into a folder; nothing is installed.
# They come from where this machine gets Debian from; apt checks their signatures.
set -eu
folder=$1
state=$folder/apt
mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
touch "$state/status"
place=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' \
    'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
    awk '$2 == "main" && $1 !~ /-/ { print $3; exit }')
if [ -z "$place" ]; then
    echo "android_demo: apt knows no Debian: use a machine or a container of Debian 12" >&2
    exit 3
fi
echo "deb $place bullseye main" >"$state/sources.list"
apt() {
    apt-get -qq -o APT::Sandbox::User=root -o Dir::State="$state" -o Dir::State::lists="$state/lists" \
        -o Dir::State::status="$state/status" -o Dir::Cache="$state/cache" \
        -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null "$@"
}
apt update
(cd "$state" && apt download dalvik-exchange libandroid-23-java)
for package in "$state"/*.deb; do
    dpkg-deb -x "$package" "$folder"
done
rm -r "$state"
