"""Judges what the tests of datasets/audio wrote into a folder (raw little-endian fp32) by the reference implementations.

judge.py WHAT FOLDER, which writes FOLDER/verdict.json. NAME.samples are at 16 kHz; NAME.KIND is what we made of them.
"""
import json
import sys
import wave
from pathlib import Path

import numpy as np

what, folder = sys.argv[1], Path(sys.argv[2])


def numbers(path):
    return np.fromfile(path, dtype="<f4")


def pairs(kind):
    """(name, samples, ours) of every NAME.KIND."""
    for path in sorted(folder.glob(f"*.{kind}")):
        name = path.name[: -len(kind) - 1]
        yield name, numbers(folder / f"{name}.samples"), numbers(path)


def largest(kind, reference, audible=np.inf):
    """The largest difference of any recording, and which: of values no more than `audible` below the largest of their row."""
    worst, where, count = 0.0, "", 0
    for name, samples, ours in pairs(kind):
        theirs = np.asarray(reference(samples), dtype=np.float32)
        assert theirs.size == ours.size, (kind, name, theirs.shape, ours.size)
        differences = np.abs(ours.reshape(theirs.shape) - theirs)
        if theirs.ndim == 2:
            differences = differences[theirs >= theirs.max(axis=1, keepdims=True) - audible]
        difference = float(differences.max()) if ours.size else 0.0
        count += 1
        if not difference <= worst:
            worst, where = difference, name
    return {"difference": worst, "where": where, "recordings": count}


def log_mel():
    import torch
    import whisper
    from transformers import WhisperFeatureExtractor

    verdict = {}
    for mels in (80, 128):
        extractor = WhisperFeatureExtractor(feature_size=mels)

        def transformers(samples, **options):
            return extractor(samples, sampling_rate=16000, return_tensors="np", **options)["input_features"][0].T

        def openai(samples):
            return whisper.log_mel_spectrogram(torch.from_numpy(samples), mels).numpy().T

        def in_double(samples):
            return extractor._np_extract_fbank_features(samples[None], "cpu")[0].T

        verdict[f"chunk{mels}/transformers"] = largest(f"chunk{mels}", lambda x: in_double(whisper.pad_or_trim(x)))
        verdict[f"actual{mels}/transformers"] = largest(f"actual{mels}", in_double)
        # Torch's FFT in fp32, which rounds as much as ours: a thousandth of the quietest mels, and not alike on all processors.
        verdict[f"chunk{mels}/transformers, fp32"] = largest(f"chunk{mels}", transformers)
        verdict[f"chunk{mels}/openai, fp32"] = largest(f"chunk{mels}", lambda x: openai(whisper.pad_or_trim(x)))
        verdict[f"actual{mels}/transformers, fp32"] = largest(f"actual{mels}", lambda x: transformers(x, padding=False, truncation=False))
        verdict[f"actual{mels}/openai, fp32"] = largest(f"actual{mels}", openai)
    return verdict


def reflection():
    """Recordings shorter than torch.stft takes: transformers' own NumPy path."""
    from transformers import WhisperFeatureExtractor

    extractor = WhisperFeatureExtractor()
    return {"short": largest("actual80", lambda x: extractor._np_extract_fbank_features(x[None], "cpu")[0].T)}


def fbank():
    import kaldi_native_fbank

    def reference(samples, **changed):
        options = kaldi_native_fbank.FbankOptions()
        options.frame_opts.dither = 0
        options.mel_opts.num_bins = 80
        for key, value in changed.items():
            part, name = key.split("__")
            setattr(getattr(options, part), name, value)
        fbank = kaldi_native_fbank.OnlineFbank(options)
        fbank.accept_waveform(16000, (samples * 32768).tolist())
        fbank.input_finished()
        return np.array([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])

    kinds = {
        "fbank": {},
        "fbank23": {"mel_opts__num_bins": 23},
        "edges": {"frame_opts__snip_edges": False},
        "plain": {"frame_opts__preemph_coeff": 0.0, "frame_opts__remove_dc_offset": False, "mel_opts__low_freq": 60.0,
                  "mel_opts__high_freq": -400.0},
    }
    # What lies further below a frame's loudest mel (8 kHz speech has nothing above 4 kHz) is fp32's rounding, theirs and ours.
    audible = np.log(10) * 7
    return {kind: largest(kind, lambda x, changed=changed: reference(x, **changed), audible) for kind, changed in kinds.items()}


def normalize():
    from transformers import Wav2Vec2FeatureExtractor

    def reference(do_normalize):
        extractor = Wav2Vec2FeatureExtractor(do_normalize=do_normalize)
        return lambda x: extractor(x, sampling_rate=16000, return_tensors="np")["input_values"][0]

    return {"yes": largest("yes", reference(True)), "no": largest("no", reference(False))}


def decode():
    """NAME.decoded, mono at the file's own rate, of files whose paths are in paths.json."""
    import av

    verdict = {}
    for name, path in json.loads((folder / "paths.json").read_text()).items():
        if path.endswith(".wav"):
            with wave.open(path) as file:
                assert file.getsampwidth() == 2, path
                theirs = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels()) / 32768
        else:
            with av.open(path) as container:
                frames = [frame.to_ndarray() for frame in av.AudioResampler(format="fltp").resample(None) or []]
                resampler = av.AudioResampler(format="fltp")
                for frame in container.decode(audio=0):
                    frames += [part.to_ndarray() for part in resampler.resample(frame)]
            theirs = np.concatenate(frames, axis=1).T
        theirs = theirs.mean(axis=1)
        ours = numbers(folder / f"{name}.decoded")
        common = min(ours.size, theirs.size)
        verdict[name] = {"samples": int(ours.size), "theirs": int(theirs.size),
                         "difference": float(np.abs(ours[:common] - theirs[:common]).max())}
    return verdict


def resample():
    """NAME.from.to, whose samples have nothing above 0.8 of either Nyquist frequency, by the transform of the whole signal."""
    import scipy.signal

    verdict = {}
    for path in sorted(folder.glob("*.resampled")):
        name, begin, end = path.name[: -len(".resampled")].rsplit("-", 2)
        samples, ours = numbers(folder / f"{name}.samples"), numbers(path)
        theirs = scipy.signal.resample(samples.astype(np.float64), ours.size)
        edge = ours.size // 20  # the transform takes the signal for periodic
        verdict[path.name] = {"difference": float(np.abs(ours - theirs)[edge:-edge].max()), "samples": int(ours.size),
                              "expected": round(samples.size * float(end) / float(begin))}
    return verdict


def spans():
    """Masks of transformers' _compute_mask_indices: share that is masked, mean number of runs, share at each position."""
    from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices

    np.random.seed(0)
    verdict = {}
    for name, settings in json.loads((folder / "settings.json").read_text()).items():
        masks = np.concatenate([_compute_mask_indices((1, settings["length"]), settings["probability"], settings["span"],
                                                      min_masks=settings["least"]) for _ in range(4000)])
        verdict[name] = {"share": float(masks.mean()), "edge": float(masks[:, 0].mean()), "middle": float(masks[:, settings["length"] // 2].mean())}
    return verdict


(folder / "verdict.json").write_text(json.dumps(globals()[what]()))
