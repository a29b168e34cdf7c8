"""How values travel: codecs, frames, HTTP bodies, envelopes. Pure: bytes in, values out."""
