//! A report as PDF, set by typst.
//!
//! The page is one fixed template. What a report says reaches it as a file of data, which is read as values: nothing in
//! it is ever taken for markup. No other file, no package and no clock is there to be read.

use std::sync::LazyLock;

use chrono::{Datelike, NaiveDate};
use serde::Serialize;
use typst::diag::{FileError, FileResult, SourceDiagnostic};
use typst::foundations::{Bytes, Datetime, Duration, Smart};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World};
use typst_kit::fonts::{FontStore, embedded};
use typst_layout::PagedDocument;
use typst_pdf::PdfOptions;

use super::document::Paper;
use super::figures::long_day;

const TEMPLATE: &str = include_str!("template.typ");

/// The fonts that are built in; no other is looked for.
static FONTS: LazyLock<FontStore> = LazyLock::new(|| {
    let mut fonts = FontStore::new();
    fonts.extend(embedded());
    fonts
});

static LIBRARY: LazyLock<LazyHash<Library>> = LazyLock::new(|| LazyHash::new(Library::default()));
static DATA: LazyLock<FileId> = LazyLock::new(|| file("report.json"));
static PAGE: LazyLock<Source> = LazyLock::new(|| Source::new(file("report.typ"), TEMPLATE.to_owned()));

fn file(name: &str) -> FileId {
    let path = VirtualPath::new(name).expect("a plain name is a path");
    RootedPath::new(VirtualRoot::Project, path).intern()
}

/// Which report it is, on every page.
#[derive(Debug)]
pub(super) struct Imprint {
    /// The id of its job.
    pub id: String,
    pub made_on: NaiveDate,
}

/// What the template reads.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed<'a> {
    #[serde(flatten)]
    paper: &'a Paper,
    id: &'a str,
    made_on: String,
    year: i32,
    month: u32,
    day: u32,
}

/// What typst sees of the world: the template and the data of one report.
struct Desk {
    data: Bytes,
}

impl World for Desk {
    fn library(&self) -> &LazyHash<Library> {
        &LIBRARY
    }

    fn book(&self) -> &LazyHash<FontBook> {
        FONTS.book()
    }

    fn main(&self) -> FileId {
        PAGE.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == PAGE.id() { Ok(PAGE.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if id == *DATA { Ok(self.data.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn font(&self, index: usize) -> Option<Font> {
        FONTS.font(index)
    }

    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        None
    }
}

/// The bytes of the PDF: the same for the same paper and imprint. Takes its time, so not for an asynchronous thread.
///
/// # Errors
/// What typst says; our template is wrong then.
pub(super) fn set(paper: &Paper, imprint: &Imprint) -> Result<Vec<u8>, String> {
    let Imprint { id, made_on } = imprint;
    let (year, month, day) = (made_on.year(), made_on.month(), made_on.day());
    let printed = Printed { paper, id, made_on: long_day(*made_on), year, month, day };
    let data = serde_json::to_string(&printed).map_err(|error| error.to_string())?;
    let set = pages(&Desk { data: Bytes::from_string(data) }, id);
    // Typst remembers all that it has set, and would for ever.
    typst::comemo::evict(0);
    set
}

fn pages(desk: &Desk, id: &str) -> Result<Vec<u8>, String> {
    let document: PagedDocument = typst::compile(desk).output.map_err(|errors| words(&errors))?;
    let options = PdfOptions {
        ident: Smart::Custom(id.to_owned()),
        creator: Smart::Custom(Some("ireva-queue".to_owned())),
        ..PdfOptions::default()
    };
    typst_pdf::pdf(&document, &options).map_err(|errors| words(&errors))
}

fn words(errors: &[SourceDiagnostic]) -> String {
    let words: Vec<_> = errors.iter().map(|error| error.message.as_str()).collect();
    words.join("; ")
}
