//! Configuration pages: what a model answers with, and how their bytes are put together.

/// A page: its version and the bytes after its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) version: u8,
    pub(crate) body: Vec<u8>,
}

/// No such page, or not at this page address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPage {
    /// The controller has no page of this type.
    Type,
    /// No such number, or nothing at the address; the end of an iteration.
    Page,
}

/// A page body under construction, little-endian.
#[derive(Default)]
pub(crate) struct Body(Vec<u8>);

impl Body {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend(bytes);
        self
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn zeros(&mut self, count: usize) -> &mut Self {
        self.0.resize(self.0.len() + count, 0);
        self
    }

    /// `text`, cut or padded with zeros to `len` bytes.
    pub(crate) fn text(&mut self, text: &str, len: usize) -> &mut Self {
        let end = self.0.len() + len;
        self.bytes(text.as_bytes()).0.resize(end, 0);
        self
    }

    pub(crate) fn page(&mut self, version: u8) -> Page {
        Page { version, body: core::mem::take(&mut self.0) }
    }
}
