"""Files that attack whoever opens them, made byte by byte: pickles that run code, bombs, lies about sizes."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path

NUMBERS = struct.pack("<2f", 1, 2)
CALLS: tuple[tuple[str, tuple[object, ...]], ...] = tuple(
    (name, arguments)
    for arguments, names in {
        ("touch canary",): """os.system posix.system nt.system os.popen subprocess.getoutput subprocess.getstatusoutput
            subprocess.check_output subprocess.call subprocess.run subprocess.Popen pty.spawn platform.popen
            asyncio.create_subprocess_shell commands.getoutput popen2.popen3 webbrowser.open
            pip.main pip._internal.main setuptools.setup torch.utils.collect_env.run""",
        ("open('canary', 'w')",): """builtins.exec builtins.eval __builtin__.eval builtins.compile builtins.print
            code.interact codeop.compile_command timeit.timeit cProfile.run profile.run pdb.run bdb.Bdb.run trace.run
            runpy._run_code doctest.debug_script pandas.eval numexpr.evaluate sympy.sympify
            torch.jit.CompilationUnit torch.fx.graph_module._forward_from_src torch._dynamo.eval_frame.optimize
            numpy.testing._private.utils.runstring""",
        ("canary", "w"): """builtins.open io.open codecs.open os.open _io.FileIO pathlib.Path.write_text tarfile.open
            zipfile.ZipFile gzip.open bz2.open lzma.open shelve.open dbm.open sqlite3.connect logging.FileHandler
            numpy.save numpy.memmap torch.save torch.serialization.load torch.load torch.jit.load
            torch.storage._load_from_bytes torch.hub.load torch.ops.load_library torch.classes.load_library""",
        ("canary",): """os.mkdir os.makedirs os.remove os.unlink os.rmdir os.rename os.chdir os.chmod os.kill os._exit
            os.putenv os.mkfifo os.execv os.spawnl os.posix_spawn shutil.rmtree shutil.copyfile shutil.move
            tempfile.mkdtemp venv.create ensurepip.bootstrap site.addsitedir sys.exit sys.setrecursionlimit
            sys.settrace sys.addaudithook atexit.register signal.alarm signal.raise_signal faulthandler._sigsegv
            builtins.input builtins.breakpoint builtins.__import__ builtins.getattr builtins.setattr builtins.vars
            importlib.import_module importlib.reload importlib.util.spec_from_file_location imp.load_source
            zipimport.zipimporter runpy.run_path runpy.run_module pkgutil.resolve_name pydoc.locate pydoc.pipepager
            ctypes.CDLL ctypes.cdll.LoadLibrary cffi.FFI _ctypes.dlopen marshal.loads pickle.loads _pickle.loads
            pickle.Unpickler cPickle.loads dill.loads cloudpickle.loads joblib.load pandas.read_pickle numpy.load
            yaml.unsafe_load jsonpickle.decode torch.utils.cpp_extension.load_inline copyreg.add_extension
            multiprocessing.Process threading.Thread _thread.start_new_thread concurrent.futures.ProcessPoolExecutor
            types.CodeType types.FunctionType functools.partial functools.reduce operator.attrgetter
            operator.methodcaller operator.itemgetter weakref.finalize unittest.mock._importer
            logging.config.dictConfig socket.create_connection socket.socket urllib.request.urlopen
            urllib.request.urlretrieve http.client.HTTPConnection ftplib.FTP smtplib.SMTP telnetlib.Telnet
            xmlrpc.client.ServerProxy huggingface_hub.snapshot_download open_clip.create_model
            transformers.AutoModel.from_pretrained core.files.write_text core.checkpoints.load_checkpoint
            antigravity.fly_to gc.get_objects inspect.getsource readline.read_init_file""",
    }.items()
    for name in names.split()
)
"""What a pickle can name to do harm, and what it would be called with. More than 80 families of payloads."""


def text(value: str) -> bytes:
    """A text constant."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def called(name: str, arguments: tuple[object, ...], how: str = "R") -> bytes:
    """The operations that call `module.name`."""
    module, _, attribute = name.rpartition(".")
    inner = pickle.dumps(arguments, 2)[2:-1]
    if how == "stack":
        return text(module) + text(attribute) + b"\x93" + inner + b"R"
    if how == "INST":
        return b"(" + pickle.dumps(arguments[0], 2)[2:-1] + f"i{module}\n{attribute}\n".encode()
    if how == "OBJ":
        return b"(" + f"c{module}\n{attribute}\n".encode() + pickle.dumps(arguments[0], 2)[2:-1] + b"o"
    end = {"R": b"R", "NEWOBJ": b"\x81", "NEWOBJ_EX": b"}\x92", "BUILD": b"R}" + text("x") + b"K\x01sb"}[how]
    return f"c{module}\n{attribute}\n".encode() + inner + end


def tensor(key: str = "0", count: int = 2, shape: bytes = b"K\x02\x85", stride: bytes = b"K\x01\x85") -> bytes:
    """The operations that describe a float32 tensor."""
    size = b"\x8a\x08" + struct.pack("<q", count)
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + size + b"tQ"
    hooks = b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00" + shape + stride + b"\x89" + hooks + b"tR"


def state_dict(*entries: tuple[str, bytes]) -> bytes:
    """The operations that make a dictionary."""
    return b"}(" + b"".join(text(name) + value for name, value in entries) + b"u"


def module(parameters: bytes, modules: bytes = b"}", extra: bytes = b"") -> bytes:
    """The operations that make a module of an unknown class."""
    state = text("_parameters") + parameters + text("_buffers") + b"}" + text("_modules") + modules + extra
    return b"cgone\nModel\n)\x81}(" + state + b"ub"


def script(attributes: bytes) -> bytes:
    """The operations that make a module of a TorchScript archive."""
    return b"c__torch__.gone\nModel\n)\x81" + attributes + b"b"


def zipped(program: bytes, numbers: dict[str, bytes] | None = None, protocol: int = 2) -> bytes:
    """PyTorch's zip layout around the operations."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80" + bytes([protocol]) + program + b".")
        archive.writestr("archive/version", "3\n")
        for key, raw in ({"0": NUMBERS} if numbers is None else numbers).items():
            archive.writestr(f"archive/data/{key}", raw)
    return buffer.getvalue()


def legacy(program: bytes, numbers: dict[str, bytes] | None = None, protocol: int = 2) -> bytes:
    """PyTorch's legacy layout around the operations."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    stored = {"0": NUMBERS} if numbers is None else numbers
    # There a storage has a sixth entry: what it is a view of.
    program = program.replace(b"tQK\x00", b"NtQK\x00")
    start = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, system))
    keys = pickle.dumps(list(stored), 2)
    body = b"".join(struct.pack("<q", len(raw) // 4) + raw for raw in stored.values())
    return start + b"\x80" + bytes([protocol]) + program + b"." + keys + body


LAYOUTS = {"zip": zipped, "legacy": legacy}


def payloads() -> dict[str, bytes]:
    """Name -> file: every family at every position in both layouts, and every way of calling."""
    found = {}
    for layout, wrap in LAYOUTS.items():
        for name, arguments in CALLS:
            call = called(name, arguments)
            found[f"{name}, outer, {layout}"] = wrap(call, {})
            found[f"{name}, inner, {layout}"] = wrap(state_dict(("visual.a", tensor()), ("visual.b", call)))
            inside = module(state_dict(("weight", tensor())), state_dict(("part", call)))
            found[f"{name}, as a part, {layout}"] = wrap(inside)
            found[f"{name}, as a storage, {layout}"] = wrap(
                state_dict(("visual.a", b"(" + text("storage") + call + text("0") + text("cpu") + b"K\x02tQ"))
            )
        for how in ("stack", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD"):
            call = called("os.system", ("touch canary",), how)
            found[f"os.system by {how}, {layout}"] = wrap(state_dict(("visual.a", tensor()), ("visual.b", call)))
        chain = b"cbuiltins\ngetattr\n" + b"cos\n__dict__\n" + text("get") + b"\x86R" + text("system") + b"\x85R"
        found[f"a chain of calls, {layout}"] = wrap(
            state_dict(("a", tensor()), ("b", chain + text("touch canary") + b"\x85R"))
        )
        for number, bad in enumerate(
            (b"\x82\x01", b"\x83\x01\x00", b"Pcanary\n", b"I1\n", b"2", b"\x97", b"\x98", b"\x96")
        ):
            found[f"operation {bad!r}, {layout}"] = wrap(state_dict(("a", tensor()), (f"b{number}", bad)))
    return found


def harmless_but_odd() -> dict[str, bytes]:
    """Files whose payload stands where nothing looks: they are read, and still nothing runs."""
    call = called("os.system", ("touch canary",))
    found = {}
    for layout, wrap in LAYOUTS.items():
        hooks = module(state_dict(("weight", tensor())), extra=text("_forward_hooks") + state_dict(("0", call)))
        found[f"in a module's hooks, {layout}"] = wrap(hooks)
        found[f"in a script's attributes, {layout}"] = wrap(script(state_dict(("weight", tensor()), ("hook", call))))
        ignored = (
            b"ccollections\nOrderedDict\n)R(" + text("weight") + tensor() + b"u}" + text("_metadata") + call + b"sb"
        )
        found[f"in a dictionary's attributes, {layout}"] = wrap(ignored)
        found[f"thrown away, {layout}"] = wrap(call + b"0" + state_dict(("weight", tensor())))
    return found


def write_all(files: dict[str, bytes], folder: Path) -> dict[str, Path]:
    """Put every file into the folder under a plain name."""
    folder.mkdir()
    paths = {}
    for number, (name, raw) in enumerate(files.items()):
        paths[name] = folder / f"{number}.pt"
        paths[name].write_bytes(raw)
    return paths
