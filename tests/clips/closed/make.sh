#!/bin/sh
# Makes the clips again from their texts, with Debian's flite: `apt-get install flite`, then `tests/clips/closed/make.sh`.
set -eu
cd "$(dirname "$0")"
tail -n +2 manifest.tsv | while IFS="$(printf '\t')" read -r file voice text _; do
    flite -voice "$voice" -t "$text" -o "$file"
done
