"""Every error OneVoice raises on purpose.

::

    OneVoiceError
    ├── ConfigError               a setting, a flag or a file of settings is wrong
    │   ├── UnknownSetting        … it does not exist
    │   └── UnknownLanguage       … it is no language tag
    ├── MediaError                an input cannot be used
    │   ├── MediaNotFound         no such file, or a folder without media
    │   ├── MediaUnreadable       empty, not media, damaged
    │   ├── MediaTruncated        cut short; its readable part can be salvaged
    │   ├── NoAudio               no sound in it
    │   ├── NothingToDub          no speech in it
    │   └── SameLanguage          it already speaks the target language
    ├── OutputError               a result cannot be written
    │   ├── OutputExists          … somebody else's file is there
    │   ├── OutputUnwritable      … the folder refuses
    │   └── DiskFull              … no room left
    ├── ProjectError              a project folder cannot be used
    │   ├── ProjectBusy           … another run holds it
    │   ├── ProjectInvalid        … a file in it does not parse
    │   └── ConsentMissing        … nobody recorded that a voice may be cloned
    ├── EngineError               an engine did not deliver
    │   ├── EngineUnavailable     not installed, no key
    │   ├── EngineRefused         it will not do this (language, voice, policy)
    │   ├── EngineRateLimited     come back later (retryable)
    │   ├── EngineFailed          it broke
    │   ├── AssetMissing          a model is not to be had
    │   └── AssetDamaged          a model's digest is wrong
    ├── StageError                a stage could not finish
    │   └── DoesNotFit            there is more speech than time
    ├── CacheError                the artifact cache cannot be used
    ├── ServiceFailed             a OneVoice server refused, or broke
    │   └── ServiceUnavailable    … it does not answer (retryable)
    ├── BudgetExceeded            it would cost more than was allowed
    ├── QualityGateFailed         the dub was made, and misses a threshold
    └── Cancelled                 somebody stopped it

Each class has a stable ``code``, which is what programs compare; the command line maps
codes to exit statuses, a server maps classes to HTTP. An error carries neither.
"""

from __future__ import annotations

from typing import ClassVar


class OneVoiceError(Exception):
    """What happened, to which input, and what to do next (``hint``)."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(OneVoiceError):
    code = "config"


class UnknownSetting(ConfigError):
    code = "config_unknown_setting"


class UnknownLanguage(ConfigError):
    code = "config_unknown_language"


class MediaError(OneVoiceError):
    code = "media"


class MediaNotFound(MediaError):
    code = "media_not_found"


class MediaUnreadable(MediaError):
    code = "media_unreadable"


class MediaTruncated(MediaError):
    code = "media_truncated"


class NoAudio(MediaError):
    code = "media_no_audio"


class NothingToDub(MediaError):
    code = "media_nothing_to_dub"


class SameLanguage(MediaError):
    code = "media_same_language"


class OutputError(OneVoiceError):
    code = "output"


class OutputExists(OutputError):
    code = "output_exists"


class OutputUnwritable(OutputError):
    code = "output_unwritable"


class DiskFull(OutputError):
    code = "output_disk_full"


class ProjectError(OneVoiceError):
    code = "project"


class ProjectBusy(ProjectError):
    code = "project_busy"
    retryable = True


class ProjectInvalid(ProjectError):
    code = "project_invalid"


class ConsentMissing(ProjectError):
    code = "project_consent_missing"


class EngineError(OneVoiceError):
    code = "engine"
    engine: tuple[str, str] | None = None
    """Kind and name of the engine, noted by the pipeline: another of the chain may take over."""


class EngineUnavailable(EngineError):
    code = "engine_unavailable"


class EngineRefused(EngineError):
    code = "engine_refused"


class EngineRateLimited(EngineError):
    code = "engine_rate_limited"
    retryable = True


class EngineFailed(EngineError):
    code = "engine_failed"
    retryable = True


class AssetMissing(EngineError):
    code = "asset_missing"


class AssetDamaged(EngineError):
    code = "asset_damaged"


class StageError(OneVoiceError):
    code = "stage"


class DoesNotFit(StageError):
    code = "stage_does_not_fit"


class CacheError(OneVoiceError):
    code = "cache"


class ServiceFailed(OneVoiceError):
    code = "service"


class ServiceUnavailable(ServiceFailed):
    code = "service_unavailable"
    retryable = True


class BudgetExceeded(OneVoiceError):
    code = "budget"


class QualityGateFailed(OneVoiceError):
    code = "quality_gate"


class Cancelled(OneVoiceError):
    code = "cancelled"
