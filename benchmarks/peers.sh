#!/bin/sh
# Installs the peers that benchmarks/timing.py and mix.py call into build/peers, an environment of
# their own. --no-deps: only their rules and their mixes are called, so no torch and no models.
set -eu
cd "$(dirname "$0")/.."
"${PYTHON:-python3}" -m venv build/peers
build/peers/bin/pip install --quiet --no-deps mazinger==2.3.3 doblarr==0.1.0 open-dubbing==0.2.3
build/peers/bin/pip install --quiet \
    json-repair moviepy==2.2.1 numpy pydantic pysubs2 pyyaml requests soundfile tenacity tqdm
