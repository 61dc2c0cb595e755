"""Image classifiers of Hugging Face's transformers, from the configuration in their folder; no code of a repository."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.encoders.family import PROBE, Family, headless, read_json, require_modest
from core.encoders.models import Architecture
from core.errors import BadCheckpoint, BadSuite, UnknownName
from core.lazily import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

MISSING = "`arch: transformers` needs transformers, which is not installed: run `pip install -e '.[transformers]'`."
RESAMPLE = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers, which `preprocessor_config.json` has."""
IGNORED = ("id2label", "label2id", "num_labels", "architectures", "dtype", "torch_dtype", "attn_implementation")
"""What is not about the encoder: classes, in which format the weights were saved, and kernels that would be fetched."""
KINDS = (
    "vit", "deit", "beit", "swin", "swinv2", "convnext", "convnextv2", "resnet", "dinov2", "dinov2_with_registers",
    "siglip", "clip", "clip_vision_model", "siglip_vision_model", "bit", "data2vec-vision", "focalnet", "hiera",
    "mobilenet_v1", "mobilenet_v2", "pvt", "pvt_v2", "regnet", "vit_msn",
)  # fmt: skip
"""Values of `model_type`. Others run another library, fetch a part, or take or prepare images in another way."""
POOLED = ("clip_vision_model", "siglip_vision_model")
"""Vision towers that are used through their pooled output, where they are not the classifier of the same name."""
INDEX = "generate_relative_position_index"
"""Method of BEiT and Data2Vec that all models of a process share the results of."""
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
        if kind not in KINDS:
            raise BadSuite(f"`{file}`: `model_type` should be one of {', '.join(KINDS)}. Found {str(kind)[:60]!r}.")
        require_modest(file, config)
        taken = taken or _usual(kind, (config.get("vision_config") or config).get("image_size"))
        return Architecture(name=f"transformers:{kind}", config=config, family="transformers", **_input(config, taken))

    def model(self, arch: Architecture, classes: int) -> nn.Module:
        """The model for image classification of this configuration, or the vision tower."""
        if find_spec("transformers") is None:
            raise BadSuite(MISSING)
        from huggingface_hub.errors import StrictDataclassError
        from transformers import AutoConfig, AutoModel, AutoModelForImageClassification

        said = _of_the_model(arch)
        try:
            config = AutoConfig.for_model(said.pop("model_type"), **said, num_labels=classes, architectures=[])
        except StrictDataclassError as error:
            reason = str(error.__cause__ or error).partition("Errors:")[0].strip()
            raise BadSuite(f"`{arch.name}` is not a usable configuration of transformers: {reason}") from None
        made: Any = AutoModel if arch.config["model_type"] in POOLED else AutoModelForImageClassification
        model: nn.Module = made.from_config(config)
        for module in model.modules():
            if hasattr(module, INDEX):  # Its cache would hand on the numbers of a pass on device "meta": none.
                setattr(module, INDEX, getattr(module, INDEX).__wrapped__)
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
        return _of_the_model(arch) | {
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


def _of_the_model(arch: Architecture) -> dict[str, Any]:
    return {key: one for key, one in arch.config.items() if key not in IGNORED and not key.startswith("_")}


def _usual(kind: str, side: object) -> dict[str, Any]:
    """Preprocessing of a kind of model where its folder says nothing: that of transformers, at the model's own size."""
    if find_spec("transformers") is None:
        raise BadSuite(MISSING)
    import transformers
    from transformers.models.auto import image_processing_auto

    names: Any = vars(image_processing_auto)["IMAGE_PROCESSOR_MAPPING_NAMES"]
    own = names[kind.removesuffix("_vision_model").removesuffix("_with_registers")]
    found: dict[str, Any] = getattr(transformers, own["pil"])().to_dict()
    if isinstance(side, int) and "dinov2" not in kind:  # DINOv2 takes other sizes than it was trained at, and does.
        edges = {"shortest_edge": side} if "shortest_edge" in found["size"] else {"height": side, "width": side}
        found |= {"size": edges, "crop_size": side} if found.get("crop_size") else {"size": edges}
    return found


def _input(config: Mapping[str, Any], taken: Mapping[str, Any]) -> dict[str, Any]:
    """Preprocessing as the image processors of transformers describe it."""
    vision = config.get("vision_config") or config
    side = vision.get("image_size", 224)
    model = (side, side) if isinstance(side, int) else tuple(side)
    said, mode = taken.get("size", {}), dict[str, Any]()
    said = {"height": said, "width": said} if isinstance(said, int) else said
    cut = taken.get("crop_size", {})
    cut = {"height": cut, "width": cut} if isinstance(cut, int) else cut
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
    interpolation = RESAMPLE.get(taken.get("resample", 2), "bicubic")
    return {"size": size, "mean": mean, "std": std, "interpolation": interpolation, **mode}
