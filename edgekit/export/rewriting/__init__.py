"""A traced function's nodes, rewritten before a converter sees them.

For all files: lacking (lacking_forms, gelus, cosines), what TFLite has no op for. For integers:
masks (mask_forms), joints, wide_ops (wide_forms, truths). What a network was saved as is changed by
functions; watching tells what examples make of its values.
"""
