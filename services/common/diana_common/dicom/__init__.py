"""The header scan, room by room: file meta, windows onto the bytes, walk, charset, values, completeness; and the scan
of chosen tags: pick, text, tagscan.

`diana_common.header` is the public face; nothing outside `diana_common` imports these modules.
"""
