"""LoRA and DoRA adapters as PEFT saves them, merged as PEFT merges them."""

from core.checkpoints.lora.merging import Adapter, Factors
from core.checkpoints.lora.names import of_text

__all__ = ["Adapter", "Factors", "of_text"]
