"""The named tensors of a pickled object: a state dict, or a whole module described by the state of its parts."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.checkpoints.inert.values import Made, Refusal, TensorRef, Value, require

MAX_PARTS = 200_000
"""Modules, parameters and buffers that are looked at; one object in many places counts each time."""
MAX_DEPTH = 64
MAX_NAME = 500
WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net")
"""Where training scripts put the weights inside what they save."""
MAX_WRAPPERS = 4
DENSE = "expected a dense tensor (sparse, quantised and other special tensors can't be merged)"


@dataclass
class FoundInFile:
    """Named tensors, the classes of the modules that hold them, and what was passed over."""

    tensors: dict[str, TensorRef] = field(default_factory=dict)
    classes: set[str] = field(default_factory=set)
    passed_over: list[str] = field(default_factory=list)
    parts: int = 0

    def count(self, parts: int) -> None:
        """Note that so many parts were looked at; raises `Refusal` beyond the limit."""
        self.parts += parts
        require(self.parts <= MAX_PARTS, f"more than {MAX_PARTS:,} modules, parameters and buffers")


def named_tensors(root: Value) -> FoundInFile:
    """The named tensors of `root`, as `torch.nn.Module.state_dict` would give them; raises `Refusal`."""
    found = FoundInFile()
    for _ in range(MAX_WRAPPERS):
        inner = _wrapped(root)
        if inner is None:
            break
        found.passed_over += [name for name in root if name != inner]
        root = root[inner]
    if type(root) is Made:
        _walk(root, found)
    else:
        require(type(root) is dict, "an object that is neither a state dict nor a module")
        _take(root, found)
    require(bool(found.tensors), "no named tensors")
    return found


def _wrapped(root: Value) -> str | None:
    """The entry of `root` that holds the weights, where `root` is what a training script saved around them."""
    if type(root) is not dict or any(type(value) is TensorRef for value in root.values()):
        return None
    return next((name for name in WRAPPERS if type(root.get(name)) in (dict, Made)), None)


def _take(table: dict[str, Value], found: FoundInFile) -> None:
    found.count(len(table))
    for name, value in table.items():
        if type(value) is TensorRef:
            found.tensors[name] = value
        elif type(value) is Made:
            raise Refusal(f"`{name[:60]}` made by {value.maker[:60]}; {DENSE}")
        else:
            found.passed_over.append(name)


def _walk(root: Made, found: FoundInFile) -> None:
    waiting: list[tuple[str, Value, int]] = [("", root, 0)]
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
                raise Refusal(f"`{prefix[:200]}{name[:60]}`{maker}; {DENSE}")
        below = [(f"{prefix}{name}.", value, depth + 1) for name, value in inner.items() if value is not None]
        waiting += reversed(below)


def _table(state: dict[str, Value], name: str) -> dict[str, Value]:
    return state[name] if type(state.get(name)) is dict else {}
