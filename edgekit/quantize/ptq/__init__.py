"""Post-training quantization: what `--ptq` names, and what calls it in turn.

Before anything is rounded (transformation): collapse, prune, align, shift, equalize, split; with
the rounding (post_training): steps, headroom, refine, reconstruct, round, bias.
"""
