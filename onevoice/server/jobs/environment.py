"""What of the worker's environment the process of a dub gets: what is not listed stays behind.

It runs decoders and models over files of strangers, so it is given no more than a dub needs: no
address of the database, no key that signs tokens, no key of Paddle. What it does get:

- where programs, caches and the user's folders are, the language, the way out (proxies);
- keys of engines: ``…_API_KEY``, and the variables that the profile itself names;
- OneVoice's own settings, and of the server's those of storage (as values, whatever the
  environment says);
- AWS's, because artifacts go to storage; its policy should reach no further than the bucket.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from onevoice.config import profile_path
from onevoice.engines import keys
from onevoice.server.settings import PREFIX, ServerSettings

_NAMES = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP", "TEMP",
        "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
        "NO_PROXY", "FISH_SERVER_KEY",
    }
)  # fmt: skip
_PREFIXES = (
    "LC_", "PYTHON", "XDG_", "AWS_", "CUDA_", "NVIDIA_", "HF_", "TORCH_", "OMP_", "MKL_",
    "OPENBLAS_", "ONEVOICE_", "npm_config_",
)  # fmt: skip
_NEVER = (PREFIX, "PADDLE_")
_SECRET = re.compile(r"KEY|SECRET|TOKEN|PASSWORD", re.IGNORECASE)


def environment(
    environ: Mapping[str, str], *, settings: ServerSettings, profile: str
) -> dict[str, str]:
    """The environment of a dub of that profile."""
    named = set(_variables(yaml.safe_load(profile_path(profile).read_text(encoding="utf-8"))))
    passed = {
        name: value
        for name, value in environ.items()
        if not name.startswith(_NEVER)
        and (
            name in named
            or name.upper() in _NAMES
            or name.startswith(_PREFIXES)
            or name.endswith("_API_KEY")
        )
    }
    storage = {
        "DATA_DIR": str(settings.data_dir.absolute()),
        "AWS_REGION": settings.aws_region,
        "AWS_ENDPOINT_URL": settings.aws_endpoint_url,
        "S3_BUCKET": settings.s3_bucket,
        "S3_PREFIX": settings.s3_prefix,
    }
    return {**passed, **{PREFIX + name: value for name, value in storage.items() if value}}


def secrets_in(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The values that must reach no log, the longest first."""
    found = {v for name, v in environ.items() if _SECRET.search(name) and len(v) >= 6}
    return tuple(sorted(found, key=len, reverse=True))


def _variables(node: Any) -> Iterator[str]:
    """Variables with keys that the settings of engines name."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "key_variable" and isinstance(value, str) and value:
                yield value
            yield from _variables(value)
    elif isinstance(node, list):
        for value in node:
            yield from _variables(value)
    elif isinstance(node, str):
        yield from keys.variables(node)
