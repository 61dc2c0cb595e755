"""Image classifiers of Hugging Face's transformers, from the configuration in their folder; no code of a repository."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.encoders.family import PROBE, Family, headless, read_json
from core.encoders.models import Architecture
from core.errors import BadCheckpoint, BadSuite, UnknownName
from core.lazily import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

MISSING = "`arch: transformers` needs transformers, which is not installed: run `pip install -e '.[transformers]'`."
RESAMPLE = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers, which `preprocessor_config.json` has."""
IGNORED = ("id2label", "label2id", "num_labels", "architectures", "dtype", "torch_dtype")
"""What is not about the encoder: classes, and in which format the weights were saved."""
POOLED = ("clip_vision_model", "siglip_vision_model")
"""Vision towers that are used through their pooled output, where they are not the classifier of the same name."""
POOLED_HEAD = "classifier"
"""What their head is called where it was trained beside them."""


class Transformers(Family):
    """`transformers`: the folder of the base's weights says which model it is."""

    def describe(self, name: str, file: Path | None) -> Architecture:
        """What `config.json` in a folder and `preprocessor_config.json` beside it (if there) say."""
        if name or file is None:
            raise UnknownName("architecture of transformers", name, ["`transformers`, with a folder as `weights`"])
        config, taken = read_json(file), read_json(file.with_name("preprocessor_config.json"), {})
        kind = config.get("model_type")
        if not isinstance(kind, str) or not kind:
            raise BadSuite(f"`{file}` should name a `model_type` of transformers. Found none.")
        return Architecture(
            name=f"transformers:{kind}", config=config, family="transformers", **_input(str(file), config, taken)
        )

    def model(self, arch: Architecture, classes: int) -> nn.Module:
        """The model for image classification of this configuration, or the vision tower."""
        if find_spec("transformers") is None:
            raise BadSuite(MISSING)
        from transformers import AutoConfig, AutoModel, AutoModelForImageClassification

        said = {key: value for key, value in arch.config.items() if key not in IGNORED}
        config = AutoConfig.for_model(said.pop("model_type"), num_labels=classes, architectures=[], **said)
        made: Any = AutoModel if arch.config["model_type"] in POOLED else AutoModelForImageClassification
        model: nn.Module = made.from_config(config)
        return model

    def encoder(self, arch: Architecture) -> tuple[nn.Module, str]:
        """The model for image classification of this configuration, without its classifier."""
        model = self.model(arch, PROBE)
        return (model, POOLED_HEAD) if arch.config["model_type"] in POOLED else headless(arch, model)

    def versions(self) -> list[str]:
        """That of transformers."""
        return [version("transformers")]

    def features(self, output: Any) -> Tensor:
        """The pooled output of a vision tower; where the classifier was taken out, what it was given."""
        found: Tensor = output.logits if "logits" in output else output.pooler_output
        return found

    def renaming(self, arch: Architecture) -> Callable[[str], str]:
        """Files keep the names of older versions, which transformers itself maps to those of its modules."""
        from transformers.conversion_mapping import get_model_conversion_mapping
        from transformers.core_model_loading import WeightConverter, rename_source_key

        with torch.device("meta"):
            model: Any = self.model(arch, PROBE)
        steps = get_model_conversion_mapping(model)
        joined = [step for step in steps if isinstance(step, WeightConverter)]
        plain: Any = [step for step in steps if not isinstance(step, WeightConverter)]
        known = model.state_dict()

        def rename(name: str) -> str:
            found, converted = rename_source_key(name, plain, joined, model.base_model_prefix, known)
            if converted is not None and found not in known:
                raise BadCheckpoint(f"`{name}` is laid out for another version of transformers; save it again there.")
            return str(found)

        return rename

    def stored(self, model: nn.Module) -> dict[str, Tensor]:
        """The way back: files keep the names of older versions."""
        from transformers.core_model_loading import revert_weight_conversion

        own: Any = model
        found: dict[str, Tensor] = revert_weight_conversion(own, model.state_dict())
        return found

    def configuration(self, arch: Architecture, model: nn.Module, classes: Sequence[str]) -> dict[str, Any]:
        """The base's own, with these classes."""
        said = {key: value for key, value in arch.config.items() if key not in IGNORED}
        return said | {
            "architectures": [type(model).__name__],
            "dtype": "float32",
            "id2label": {str(number): name for number, name in enumerate(classes)},
            "label2id": {name: number for number, name in enumerate(classes)},
        }

    def preprocessing(self, arch: Architecture) -> dict[str, Any]:
        """`preprocessor_config.json` of an image processor that does what ours does."""
        height, width = arch.input_size
        side, squash = {"height": height, "width": width}, arch.resize_mode == "squash"
        return {
            "image_processor_type": "CLIPImageProcessor",
            "do_convert_rgb": True,
            "do_resize": True,
            "size": side if squash else {"shortest_edge": arch.resized or max(height, width)},
            "resample": {name: number for number, name in RESAMPLE.items()}[arch.interpolation],
            "do_center_crop": not squash,
            "crop_size": side,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": list(arch.mean),
            "image_std": list(arch.std),
        }

    def loading(self, arch: Architecture, model: nn.Module, head: str, task: str) -> str:
        """The configuration beside the head says for which classes the model is built."""
        kind = type(model).__name__
        first = f"from safetensors.torch import load_file\nfrom transformers import {kind}\n\n"
        if arch.config["model_type"] in POOLED:
            return (
                first
                + f"""\
model = {kind}.from_pretrained(".")
head = load_file("heads/{task}.safetensors")
logits = lambda pixels: model(pixels).pooler_output @ head["{head}.weight"].T + head["{head}.bias"]"""
            )
        return (
            first
            + f"""\
model = {kind}.from_pretrained(".", config="heads/{task}.json", ignore_mismatched_sizes=True)
model.load_state_dict(load_file("heads/{task}.safetensors"), strict=False)"""
        )


def _input(name: str, config: Mapping[str, Any], taken: Mapping[str, Any]) -> dict[str, Any]:
    """Preprocessing as the image processors of transformers describe it."""
    vision = config.get("vision_config") or config
    side = vision.get("image_size", 224)
    model = (side, side) if isinstance(side, int) else tuple(side)
    said, mode = taken.get("size", {}), dict[str, Any]()
    said = {"height": said, "width": said} if isinstance(said, int) else said
    cut = taken.get("crop_size", {})
    cut = {"height": cut, "width": cut} if isinstance(cut, int) else cut
    try:
        edge = said.get("shortest_edge")
        cropped = (int(cut["height"]), int(cut["width"])) if cut and taken.get("do_center_crop", True) else None
        if edge is None:
            size = cropped or ((int(said["height"]), int(said["width"])) if said else model)
            mode = {"resize_mode": "squash"}
        elif cropped is None:  # ConvNeXt: the side before the centre is cut out follows from a share.
            size = (int(edge), int(edge))
            mode = {"resized": int(edge / taken.get("crop_pct", 224 / 256)) if edge < 384 else None}
            mode |= {} if edge < 384 else {"resize_mode": "squash"}
        else:
            size, mode = cropped, {"resized": int(edge)}
        plain = not taken.get("do_normalize", True)
        mean = (0.0, 0.0, 0.0) if plain else tuple(map(float, taken.get("image_mean", (0.5, 0.5, 0.5))))
        std = (1.0, 1.0, 1.0) if plain else tuple(map(float, taken.get("image_std", (0.5, 0.5, 0.5))))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise BadSuite(f"`{name}`: preprocessor_config.json should be one of transformers. Found: {error}.") from None
    interpolation = RESAMPLE.get(taken.get("resample", 2), "bicubic")
    return {"size": size, "mean": mean, "std": std, "interpolation": interpolation, **mode}
