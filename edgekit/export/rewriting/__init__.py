"""A traced function's nodes, rewritten before a converter sees them.

For all files: lacking (lacking_forms, gelus, cosines), what TFLite has no op for. For integers:
masks (mask_forms), joints, integer_ops (integer_forms, truths). For floats: fake_quantization, what
a network learned to round. By functions a network that was saved is changed; watching tells what
its values are.
"""
