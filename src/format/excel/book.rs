//! What an .xlsx workbook says of its sheets, and the texts that they share (ECMA-376).

use std::collections::HashMap;

use crate::error::{Error, Result};

use super::super::row::CELL_BYTES_MAX;
use super::package::Package;
use super::serial::Epoch;
use super::styles::{Form, read_forms};
use super::xml::{Node, Tag, Xml};

/// What the shared texts of a workbook may take, all together; they are held in memory.
const TEXTS_BYTES_MAX: usize = 64 * 1024 * 1024;
const TEXTS_MAX: usize = 8 * 1024 * 1024;

/// What the cells of a sheet refer to.
pub(super) struct Book {
    pub epoch: Epoch,
    pub forms: Vec<Form>,
    pub texts: Texts,
}

impl Book {
    /// Opens the workbook and finds the part of a sheet: the one of this name, or the first that is not hidden.
    pub fn open(package: &Package, wanted: Option<&str>) -> Result<(Self, Xml)> {
        let documents = Relations::read(package, "_rels/.rels", "")?;
        let workbook = documents.of_kind("officeDocument").ok_or_else(|| lacks("a workbook"))?;
        let (dir, file) = workbook.rsplit_once('/').map_or(("", workbook), |(dir, file)| (dir, file));
        let rels = join(dir, &format!("_rels/{file}.rels"));
        let relations = Relations::read(package, &rels, dir)?;
        let (epoch, sheets) = read_workbook(part(package, workbook)?, &relations)?;
        let forms = match relations.of_kind("styles") {
            Some(path) => read_forms(part(package, path)?)?,
            None => Vec::new(),
        };
        let texts = match relations.of_kind("sharedStrings") {
            Some(path) if package.has(path) => Texts::read(part(package, path)?)?,
            _ => Texts::default(),
        };
        let sheet = part(package, &choose(sheets, wanted)?)?;
        Ok((Self { epoch, forms, texts }, sheet))
    }
}

fn part(package: &Package, path: &str) -> Result<Xml> {
    Ok(Xml::new(path, package.open(path)?))
}

fn lacks(what: &str) -> Error {
    Error::invalid(format!("the workbook is damaged: it has not {what}"))
}

/// A workbook may have so many sheets and relations, each text of a relation so long: far beyond what people make, and
/// little enough to hold.
pub(super) const SHEETS_MAX: usize = 2_000;
const RELATIONS_MAX: usize = 10_000;
const RELATION_BYTES_MAX: usize = 1_024;
/// Letters of a sheet's name, of which Excel allows 31.
const SHEET_NAME_MAX: usize = 255;

/// What a sheet is called; no longer than a name may be.
pub(super) fn sheet_name(tag: &Tag) -> String {
    tag.attribute("name").unwrap_or_default().chars().take(SHEET_NAME_MAX).collect()
}

/// A sheet as the workbook lists it.
struct Listed {
    name: String,
    path: String,
    is_hidden: bool,
}

fn choose(sheets: Vec<Listed>, wanted: Option<&str>) -> Result<String> {
    let names: Vec<_> = sheets.iter().map(|sheet| format!("{:?}", sheet.name)).collect();
    let chosen = sheets.into_iter().find(|sheet| match wanted {
        Some(wanted) => sheet.name == wanted,
        None => !sheet.is_hidden,
    });
    chosen.map(|sheet| sheet.path).ok_or_else(|| no_sheet(wanted, &names))
}

/// The workbook has not the sheet that was asked for.
pub(super) fn no_sheet(wanted: Option<&str>, names: &[String]) -> Error {
    let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    match wanted {
        Some(wanted) => Error::invalid(format!("the workbook has no sheet {wanted:?}: it has {has}")),
        None => Error::invalid(format!("the workbook has no sheet that is not hidden: it has {has}")),
    }
}

fn read_workbook(mut xml: Xml, relations: &Relations) -> Result<(Epoch, Vec<Listed>)> {
    let mut epoch = Epoch::default();
    let mut sheets = Vec::new();
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name() == "workbookPr" => {
                let is_set = tag.attribute("date1904").is_some_and(|set| set == "1" || set == "true");
                epoch = if is_set { Epoch::Of1904 } else { Epoch::Of1900 };
            }
            Node::Open(tag) if tag.name() == "sheet" => {
                let target = tag.attribute("id").and_then(|id| relations.0.get(&id).cloned());
                // Charts have sheets of their own, which hold no rows.
                if let Some((kind, path)) = target
                    && kind == "worksheet"
                {
                    if sheets.len() == SHEETS_MAX {
                        return Err(xml.damaged(format!("there are more than {SHEETS_MAX} sheets")));
                    }
                    let name = sheet_name(&tag);
                    let is_hidden = tag.attribute("state").is_some_and(|state| state != "visible");
                    sheets.push(Listed { name, path, is_hidden });
                }
            }
            Node::End => return Ok((epoch, sheets)),
            _ => {}
        }
    }
}

/// What a part refers to: kind and path by id.
struct Relations(HashMap<String, (String, String)>);

impl Relations {
    /// Reads a list of relations, whose paths are relative to `dir`.
    fn read(package: &Package, path: &str, dir: &str) -> Result<Self> {
        let mut xml = part(package, path)?;
        let mut relations = HashMap::new();
        loop {
            match xml.next()? {
                Node::Open(tag) if tag.name() == "Relationship" => {
                    let (id, kind) = (tag.attribute("Id"), tag.attribute("Type"));
                    if let (Some(id), Some(kind), Some(target)) = (id, kind, tag.attribute("Target")) {
                        let is_long = [&id, &kind, &target].iter().any(|text| text.len() > RELATION_BYTES_MAX);
                        if is_long || relations.len() == RELATIONS_MAX {
                            return Err(xml.damaged("there are too many relations, or a longer one than there may be"));
                        }
                        let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                        relations.insert(id, (kind, join(dir, &target)));
                    }
                }
                Node::End => return Ok(Self(relations)),
                _ => {}
            }
        }
    }

    fn of_kind(&self, wanted: &str) -> Option<&str> {
        self.0.values().find(|(kind, _)| kind == wanted).map(|(_, path)| path.as_str())
    }
}

/// A path inside the archive; one that begins with a slash is from its root.
fn join(dir: &str, target: &str) -> String {
    let whole = match target.strip_prefix('/') {
        Some(from_root) => from_root.to_owned(),
        None => format!("{dir}/{target}"),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The texts that cells share, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Texts {
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    fn read(mut xml: Xml) -> Result<Self> {
        let mut texts = Self::default();
        loop {
            match xml.next()? {
                Node::Open(tag) if tag.name() == "si" => {
                    texts.text.push_str(&read_text(&mut xml, "si")?);
                    texts.ends.push(texts.text.len());
                }
                Node::End => return Ok(texts),
                _ => {}
            }
            if texts.text.len() > TEXTS_BYTES_MAX || texts.ends.len() > TEXTS_MAX {
                return Err(Error::invalid(
                    "the workbook holds too much text: save it as csv, which may be of any size",
                ));
            }
        }
    }

    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.text[start..end])
    }
}

/// Reads the text of an element up to its closing tag: all runs of it, without hints of how it is spoken.
pub(super) fn read_text(xml: &mut Xml, element: &str) -> Result<String> {
    let mut text = String::new();
    let (mut is_text, mut is_spoken) = (false, false);
    loop {
        match xml.next()? {
            Node::Open(tag) => match tag.name() {
                "t" => is_text = true,
                "rPh" => is_spoken = true,
                _ => {}
            },
            Node::Close(name) => match name.as_str() {
                "t" => is_text = false,
                "rPh" => is_spoken = false,
                name if name == element => return Ok(unescaped(text)),
                _ => {}
            },
            Node::Text(part) if is_text && !is_spoken => text.push_str(&part),
            Node::Text(_) => {}
            Node::End => return Err(xml.damaged(format!("{element} has no end"))),
        }
        if text.len() > CELL_BYTES_MAX {
            return Err(xml.damaged(format!("a text is longer than {CELL_BYTES_MAX} bytes")));
        }
    }
}

/// Puts characters back that XML cannot hold and spreadsheets write as `_x000D_`.
pub(super) fn unescaped(text: String) -> String {
    if !text.contains("_x") {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("_x") {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let (char, length) = escape_at(rest).unwrap_or(('_', 1));
        plain.push(char);
        rest = &rest[length..];
    }
    plain.push_str(rest);
    plain
}

/// The character that an escape at the beginning stands for, and how long that is; two escapes for some.
fn escape_at(text: &str) -> Option<(char, usize)> {
    let unit = |text: &str| {
        let hex = text.strip_prefix("_x")?.get(..4)?;
        let is_closed = text.as_bytes().get(6) == Some(&b'_');
        let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_closed && is_hex).then(|| u16::from_str_radix(hex, 16).ok()).flatten()
    };
    let first = unit(text)?;
    if let Some(char) = char::from_u32(u32::from(first)) {
        return Some((char, 7));
    }
    let second = unit(text.get(7..)?)?;
    let char = char::decode_utf16([first, second]).next()?.ok()?;
    Some((char, 14))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_the_characters_that_they_stand_for() {
        let table = [
            ("a_x000D_\nb", "a\r\nb"),
            ("_x005F_x000D_", "_x000D_"),
            ("_xD83D__xDE00_", "😀"),
            ("_xD83D_x", "_xD83D_x"),
            ("_x00_x0041_", "_x00A"),
            ("_xäääää", "_xäääää"),
            ("snake_x_case", "snake_x_case"),
        ];
        for (text, plain) in table {
            assert_eq!(unescaped(text.to_owned()), plain);
        }
    }

    #[test]
    fn paths_are_joined_as_in_a_package() {
        let table = [
            (("xl", "worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml"),
            (("xl", "/xl/styles.xml"), "xl/styles.xml"),
            (("xl", "../media/./a.png"), "media/a.png"),
            (("", "xl/workbook.xml"), "xl/workbook.xml"),
        ];
        for ((dir, target), path) in table {
            assert_eq!(join(dir, target), path);
        }
    }
}
