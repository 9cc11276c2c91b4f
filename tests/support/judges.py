"""One Python that has imported what reference implementations need, and forks for each script: judges.py SOCKET

tests/run.sh starts it, since importing transformers takes longer than most scripts then run; ask_judges.py asks it. A script finds what
a Python of its own would give it: its arguments, environment, folder, standard streams and exit code.
"""
import importlib, json, os, runpy, signal, socket, struct, sys, threading, traceback

MODULES = """numpy scipy.signal scipy.io.wavfile h5py torch safetensors.torch tokenizers jiwer whisper whisper.normalizers whisper.timing
transformers.models.auto.modeling_auto transformers.models.auto.tokenization_auto transformers.models.bert.modeling_bert
transformers.models.whisper.modeling_whisper transformers.models.whisper.processing_whisper
transformers.models.wav2vec2.modeling_wav2vec2 transformers.models.wav2vec2.processing_wav2vec2
transformers.models.hubert.modeling_hubert transformers.models.wavlm.modeling_wavlm""".split()


def run(asker, asked):
    """In a process of its own: the script, as if `python SCRIPT ARGUMENTS` had been called."""
    import torch

    def end_with_asker():  # it says nothing more: what is read is its end
        asker.recv(1)
        os._exit(1)

    threading.Thread(target=end_with_asker, daemon=True).start()
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    if threads := os.environ.get("OMP_NUM_THREADS"):  # libgomp looks when it is loaded
        torch.set_num_threads(int(threads))
    sys.argv = asked["words"]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    status = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    asker.sendall(struct.pack("i", status))
    os._exit(0)


def serve(path):
    for module in MODULES:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.bind(path + ".part")
        door.listen(64)
        os.rename(path + ".part", path)
        while True:
            asker, _ = door.accept()
            if os.fork() == 0:
                door.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                words, streams, _, _ = socket.recv_fds(asker, 1 << 20, 3)
                for number, stream in enumerate(streams):
                    os.dup2(stream, number)
                    os.close(stream)
                run(asker, json.loads(words))
            asker.close()


serve(sys.argv[1])
