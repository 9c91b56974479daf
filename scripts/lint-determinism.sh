#!/usr/bin/env bash
# Refuses what could make nodes disagree in the packages of the state transition:
# see tools/determinism.
set -euo pipefail
cd "$(dirname "$0")/.."
(cd tools && go build -o ../bin/determinism ./determinism)
bin/determinism -test=false "$@" \
  ./consensus ./consensus/fixed ./subnet ./payment ./chain/subnet/keeper ./chain/channel/keeper ./chain/app
