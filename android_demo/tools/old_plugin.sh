#!/bin/sh
# Lays out what tools/old_dialect.gradle builds with: old_plugin.sh FOLDER TOOLS ASM.
# FOLDER has a Maven repository in maven/; an SDK of Debian's tools and TOOLS' dx comes beside it.
set -eu
folder=$1
debian=/usr/lib/android-sdk/build-tools/debian
revision=$(sed -n 's/^Pkg.Revision=//p' "$debian/source.properties")
old=$(cd "$2" && pwd)/usr/lib/android-sdk

rm -rf "$folder/sdk"
tools=$folder/sdk/build-tools/$revision
platform=$folder/sdk/platforms/android-23
mkdir -p "$tools" "$platform"
ln -s "$debian"/* "$old/build-tools/debian/dx" "$old/build-tools/debian/lib" "$tools"
rm "$tools/package.xml" # which the plugin writes anew: not in Debian's place
ln -s "$old"/platforms/android-23/* "$platform"
printf '%s\n' Pkg.Revision=1 AndroidVersion.ApiLevel=23 Platform.Version=6.0 \
    Layoutlib.Api=15 Layoutlib.Revision=1 >"$platform/source.properties"
echo ro.build.version.sdk=23 >"$platform/build.prop"

# As for the Makefile's own package: dx refuses interfaces' methods with bodies.
for aar in "$folder"/maven/org/tensorflow/*/*/*.aar; do
    rm -rf "$folder/aar" && mkdir -p "$folder/aar/classes"
    unzip -qo "$aar" classes.jar -d "$folder/aar"
    unzip -qo "$folder/aar/classes.jar" -d "$folder/aar/classes"
    java -cp "$3" tools/PlainInterfaces.java "$folder/aar/classes"
    jar --create --file "$folder/aar/classes.jar" -C "$folder/aar/classes" .
    jar --update --no-manifest --file "$aar" -C "$folder/aar" classes.jar
done
rm -r "$folder/aar"
