"""One line by SVOX Pico: a JSON request on stdin, 16-bit 16 kHz mono samples on stdout.

Pico's synthesis reads memory that it did not write: in one long-lived process the same line
sounds a little different depending on the lines before it. Started afresh for each line, as
``python -m onevoice.engines.synthesis.pico_helper``, it is the same every time, and whatever
its C code does with odd text, the dub goes on.
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    from py_nanotts import NanoTTS

    request = json.load(sys.stdin)
    pcm = NanoTTS().speak(request["text"], voice=request["voice"], speed=request["speed"])
    sys.stdout.buffer.write(pcm)


if __name__ == "__main__":
    main()
