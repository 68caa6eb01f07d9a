//! XML as it comes out of a part, node by node: bounded, and without entities of its own.

use std::io::{self, BufRead, BufReader, Read};

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Error as XmlError, Reader, XmlVersion};

use crate::error::{Error, Result};

use super::package::PartReader;

/// The longest tag, or stretch of text without one.
const NODE_BYTES_MAX: usize = 2 * 1024 * 1024;
const DEPTH_MAX: usize = 100;

/// A node. Names are without the prefix of their namespace, which programs choose as they like.
pub(super) enum Node {
    /// An opening tag.
    Open(Tag),
    /// A closing tag, also of an element without content.
    Close(String),
    /// Text, in as many pieces as there are entities in it.
    Text(String),
    /// Behind the last node, where everything that was opened is closed.
    End,
}

/// An opening tag.
pub(super) struct Tag(BytesStart<'static>);

impl Tag {
    pub fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<String> {
        let mut attributes = self.0.attributes();
        let found = attributes.with_checks(false).flatten().find(|one| one.key.local_name().into_inner() == name)?;
        Some(found.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned())
    }
}

/// Reads nodes.
pub(super) struct Xml {
    reader: Reader<Bounded>,
    /// What the part is called, for messages.
    part: String,
    buffer: Vec<u8>,
    depth: usize,
}

impl Xml {
    pub fn new(part: &str, reader: PartReader) -> Self {
        let bounded = Bounded { inner: BufReader::with_capacity(64 * 1024, reader), left: 0 };
        let mut reader = Reader::from_reader(bounded);
        reader.config_mut().expand_empty_elements = true;
        Self { reader, part: part.to_owned(), buffer: Vec::new(), depth: 0 }
    }

    /// The next node.
    ///
    /// # Errors
    /// `Invalid` where the part is no XML, is cut off, or goes beyond what any workbook needs.
    pub fn next(&mut self) -> Result<Node> {
        let node = self.read();
        node.map_err(|problem| self.damaged(problem))
    }

    /// The part is not what it should be.
    pub fn damaged(&self, problem: impl std::fmt::Display) -> Error {
        Error::invalid(format!("the workbook is damaged: in {}, {problem}", self.part))
    }

    fn read(&mut self) -> Result<Node, String> {
        loop {
            self.buffer.clear();
            self.reader.get_mut().left = NODE_BYTES_MAX;
            let text = match self.reader.read_event_into(&mut self.buffer).map_err(|error| said(&error))? {
                Event::Start(tag) => {
                    self.depth += 1;
                    if self.depth > DEPTH_MAX {
                        return Err(format!("elements are more than {DEPTH_MAX} deep"));
                    }
                    return Ok(Node::Open(Tag(tag.into_owned())));
                }
                Event::End(tag) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Node::Close(tag.local_name().into_inner().to_owned()));
                }
                Event::Text(text) => text.xml10_content().into_owned(),
                Event::CData(text) => text.xml10_content().into_owned(),
                Event::GeneralRef(name) => match name.resolve_char_ref().map_err(|error| said(&error))? {
                    Some(char) => char.to_string(),
                    None => {
                        let known = quick_xml::escape::resolve_predefined_entity(&name);
                        known.ok_or_else(|| format!("the entity {:?} is not known", &*name))?.to_owned()
                    }
                },
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => continue,
                // The reader was told to make two events of it.
                Event::Empty(_) => return Err("an element without content is out of place".to_owned()),
                Event::Eof if self.depth > 0 => return Err("the end is missing".to_owned()),
                Event::Eof => return Ok(Node::End),
            };
            return Ok(Node::Text(text));
        }
    }
}

fn said(error: &XmlError) -> String {
    error.to_string()
}

/// Ends with an error where a single node is longer than it may be.
struct Bounded {
    inner: BufReader<PartReader>,
    left: usize,
}

impl BufRead for Bounded {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a tag or text is too long"));
        }
        let available = self.inner.fill_buf()?;
        Ok(&available[..available.len().min(self.left)])
    }

    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count);
        self.inner.consume(count);
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut available = self.fill_buf()?;
        let count = available.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}
