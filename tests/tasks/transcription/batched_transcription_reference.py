"""Windows that were cut beforehand, each decoded as a clip of its own by openai-whisper's transcribe() over the fake model."""
import json, sys

from transcription_reference import run

WINDOWS = [[1.0, 20.5], [21.0, 51.0], [51.0, 60.25], [75.0, 75.5], [80.0, 99.0], [99.0, 129.0]]


def window_by_window(number, options):
    clips = {"clip_timestamps": [time for window in WINDOWS for time in window], "condition_on_previous_text": False}
    case = run(number, 13000, {**options, **clips})
    starts = [round(start * 100) for start, _ in WINDOWS]
    segments = case["result"]["segments"]
    return {"number": number, "windows": WINDOWS, "segments": [s for s in segments if s["seek"] in starts],
            "rests": [s for s in segments if s["seek"] not in starts]}


json.dump({"windows": [window_by_window(60 + i, {"beam_size": 3} if i % 2 else {}) for i in range(8)]},
          open(sys.argv[1], "w"))
