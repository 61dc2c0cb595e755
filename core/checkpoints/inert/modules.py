"""The named tensors of a pickled object: a state dict, or a whole module described by the state of its parts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from core.checkpoints.inert.values import SPECIAL, Made, Refusal, TensorRef, Value, require

MAX_PARTS = 200_000
"""Modules, parameters and buffers that are looked at; one object in many places counts each time."""
MAX_DEPTH = 64
MAX_NAME = 500
ENTRY = re.compile(r"[A-Za-z0-9_.\-/]{1,100}")
BESIDE = re.compile(r".*(?:optim|sched|scaler|args|config).*|callbacks|loops|hyper_parameters", re.IGNORECASE)
"""What training scripts save beside the weights, and what no weights are looked for in."""
MAX_ENTRIES = 4
"""Dictionaries inside one another that are looked into."""
TENSORS = ("torch._utils.", "torch._tensor.", "torch.nn.parameter.")
"""What the names of functions begin with that make tensors."""
SCRIPT = "__torch__."
"""What the classes of a TorchScript archive begin with."""
DENSE = "expected a dense tensor (sparse, quantised and other special tensors can't be merged)"


@dataclass
class FoundInFile:
    """Named tensors, the classes of the modules that hold them, and what was passed over."""

    tensors: dict[str, TensorRef] = field(default_factory=dict)
    classes: set[str] = field(default_factory=set)
    passed_over: list[str] = field(default_factory=list)
    within: str = ""
    """The entries of the file, each with a dot behind it, that everything lies in; names leave them out."""
    entries: set[str] = field(default_factory=set)
    """Dictionaries and modules that hold some of the tensors: the beginning of their names, with a dot at its end."""
    parts: int = 0

    def count(self, parts: int) -> None:
        """Note that so many parts were looked at; raises `Refusal` beyond the limit."""
        self.parts += parts
        require(self.parts <= MAX_PARTS, f"more than {MAX_PARTS:,} modules, parameters and buffers")


def named_tensors(root: Value) -> FoundInFile:
    """The named tensors of `root`, as `torch.nn.Module.state_dict` would give them; raises `Refusal`.

    Those of dictionaries inside it, as training scripts save them, have the names of their entries before their own.
    """
    found = FoundInFile()
    if type(root) is Made:
        (_walk_script if root.maker.startswith(SCRIPT) else _walk)(root, found)
    else:
        require(type(root) is dict, "an object that is neither a state dict nor a module")
        _take(root, found, "", 0)
    if not found.tensors and any("optim" in name or name == "param_groups" for name in found.passed_over):
        raise Refusal("the state of an optimiser, without weights", "Give the file with the weights of the model.")
    require(bool(found.tensors), "no named tensors")
    around = [entry for entry in found.entries if all(name.startswith(entry) for name in found.tensors)]
    if around:
        found.within = max(around, key=len)
        start = len(found.within)
        found.tensors = {name[start:]: ref for name, ref in found.tensors.items()}
        found.entries = {entry[start:] for entry in found.entries if len(entry) > start}
    return found


def _take(table: dict[str, Value], found: FoundInFile, prefix: str, depth: int) -> None:
    found.count(len(table))
    before = len(found.tensors)
    for name, value in table.items():
        if type(value) is TensorRef:
            require(prefix + name not in found.tensors, f"`{(prefix + name)[:60]}` twice")
            found.tensors[prefix + name] = value
        elif _may_hold(name, value) and depth < MAX_ENTRIES:
            others = len(found.tensors)
            inner = f"{prefix}{name}."
            _walk(value, found, inner) if type(value) is Made else _take(value, found, inner, depth + 1)
            if len(found.tensors) > others:
                found.entries.add(inner)
        else:
            found.passed_over.append(prefix + name)
    # Around dictionaries with weights lies whatever a script saves; among weights nothing may be left out.
    wraps = any(f"{prefix}{name}." in found.entries for name in table)
    held = len(found.tensors) > before
    for name, value in table.items():
        strict = not wraps and (held or (depth == 0 and not BESIDE.fullmatch(name)))
        odd = type(value) is Made and f"{prefix}{name}." not in found.entries
        if odd and (strict or value.maker.startswith(TENSORS)):
            raise Refusal(f"`{name[:60]}` made by {value.maker[:60]}; {DENSE}", SPECIAL)


def _may_hold(name: str, value: Value) -> bool:
    """Whether weights are looked for in this entry of a dictionary."""
    module = type(value) is Made and type((value.state or {}).get("_parameters")) is dict
    return bool((module or type(value) is dict) and ENTRY.fullmatch(name) and not BESIDE.fullmatch(name))


def _walk(root: Made, found: FoundInFile, start: str = "") -> None:
    waiting: list[tuple[str, Value, int]] = [(start, root, 0)]
    while waiting:
        prefix, module, depth = waiting.pop()
        where = f"at `{prefix[:60].rstrip('.')}`" if prefix else "at its root"
        require(type(module) is Made, f"an object that is not a module {where}")
        state = module.state or {}
        require(type(state.get("_parameters")) is dict, f"an object that is not a module {where}: {module.maker[:60]}")
        require(depth <= MAX_DEPTH and len(prefix) <= MAX_NAME, "modules nested too deeply")
        found.classes.add(module.maker)
        parameters, buffers, inner = (_table(state, name) for name in ("_parameters", "_buffers", "_modules"))
        hidden = state.get("_non_persistent_buffers_set")
        hidden = hidden if type(hidden) is list else []
        found.count(len(parameters) + len(buffers) + len(inner) + len(hidden) + 1)
        names = {name for name in hidden if type(name) is str}
        for name, value in (*parameters.items(), *((n, v) for n, v in buffers.items() if n not in names)):
            if type(value) is TensorRef:
                found.tensors[prefix + name] = value
            elif value is not None:
                maker = f" made by {value.maker[:60]}" if type(value) is Made else ""
                raise Refusal(f"`{prefix[:200]}{name[:60]}`{maker}; {DENSE}", SPECIAL)
        below = [(f"{prefix}{name}.", value, depth + 1) for name, value in inner.items() if value is not None]
        waiting += reversed(below)


def _walk_script(root: Made, found: FoundInFile) -> None:
    """The same of a TorchScript module, which keeps its tensors and parts side by side, by their names."""
    waiting: list[tuple[str, Made, int]] = [("", root, 0)]
    while waiting:
        prefix, module, depth = waiting.pop()
        require(depth <= MAX_DEPTH and len(prefix) <= MAX_NAME, "modules nested too deeply")
        found.classes.add(module.maker)
        state = module.state or {}
        found.count(len(state) + 1)
        below = []
        for name, value in state.items():
            if type(value) is TensorRef:
                found.tensors[prefix + name] = value
            elif type(value) is Made and value.maker.startswith(SCRIPT):
                below.append((f"{prefix}{name}.", value, depth + 1))
            elif type(value) is Made and value.maker.startswith(TENSORS):
                raise Refusal(f"`{prefix[:200]}{name[:60]}` made by {value.maker[:60]}; {DENSE}", SPECIAL)
        waiting += reversed(below)


def _table(state: dict[str, Value], name: str) -> dict[str, Value]:
    return state[name] if type(state.get(name)) is dict else {}
