"""The stages, one module each, in the order a video takes them."""

STAGE_NAMES = (
    "extract",
    "separate",
    "transcribe",
    "diarize",
    "look",
    "segment",
    "summarize",
    "retime",
    "translate",
    "reference",
    "synthesize",
    "fit",
    "mix",
    "mux",
    "report",
)
"""What ``--stop-after`` takes."""
