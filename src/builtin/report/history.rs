//! Every entry of the ledger in a period.

use std::collections::BTreeMap;

use futures_util::Stream;

use super::data::{Data, Entry, EntryStream};
use super::document::{Document, Paper, PaperTable, Table, date, decimals, money, text};
use super::figures::{NOTHING, Sums, amount, cell, day, kind_words};
use super::lookup::monthly;
use super::payload::Order;
use crate::error::Result;
use crate::format::{Column, Value};
use crate::processor::ProcessError;

/// The columns of the table.
pub(super) fn columns(decimals: u8) -> Vec<Column> {
    vec![
        date("date", "Date"),
        text("id", "Number"),
        text("property_id", "Property number"),
        text("property", "Property"),
        text("investor_id", "Investor number"),
        text("investor", "Investor"),
        text("entry", "Entry"),
        text("reference", "Reference"),
        text("currency", "Currency"),
        money("amount", "Amount", decimals),
    ]
}

fn row(entry: Entry) -> Vec<Value> {
    let (investor_id, investor) = entry.investor.unzip();
    vec![
        entry.on.into(),
        entry.id.into(),
        entry.property.into(),
        entry.property_name.into(),
        investor_id.into(),
        investor.into(),
        kind_words(&entry.kind).into(),
        entry.reference.into(),
        entry.amount.currency().as_str().into(),
        cell(entry.amount),
    ]
}

/// The rows as they come from the database.
pub(super) fn rows(entries: EntryStream) -> impl Stream<Item = Result<Vec<Vec<Value>>, ProcessError>> + Send {
    futures_util::stream::unfold(Some(entries.batches), |batches| async move {
        let mut batches = batches?;
        match batches.recv().await {
            // The mark at the end: a table that breaks off before it is not whole.
            Some(Ok(entries)) if entries.is_empty() => None,
            Some(batch) => Some((batch.map(|entries| entries.into_iter().map(row).collect()), Some(batches))),
            None => {
                let why = "the rows of the database broke off";
                Some((Err(ProcessError::transient("database_error", why)), None))
            }
        }
    })
}

/// The report on paper.
pub(super) fn describe(order: &Order, data: &Data) -> Result<Document> {
    let mut paper = Paper::new(order, data);
    match (&order.investor, &order.property) {
        (None, None) => paper.fact("Portfolio", format!("all properties of {}", data.tenant)),
        (_, Some(property)) => paper.fact("Property", data.name_of(property)),
        _ => {}
    }
    paper.fact("Entries", data.entries.len().to_string());
    paper.table(by_kind(data)?);
    if order.charts {
        paper.charts(monthly(order, data)?);
    }
    paper.table(entries(order, data));
    paper.notes.push(
        "Every amount is seen from its account: what comes in is above zero, what goes out is below it. An entry without an \
         investor is the property's own."
            .to_owned(),
    );
    let columns = columns(decimals(data.entries.iter().map(|entry| entry.amount.currency())));
    Ok(Document { main: Table { columns, rows: data.entries.iter().cloned().map(row).collect() }, paper })
}

/// The sums of each kind of entry, those of properties apart from those of investors.
fn by_kind(data: &Data) -> Result<PaperTable> {
    let columns = ["Entry", "Account", "Entries>", "Sum>"];
    let mut table = PaperTable::new("Sums", &columns, "No entry in this period.");
    let mut kinds: BTreeMap<_, (usize, Sums)> = BTreeMap::new();
    for entry in &data.entries {
        let key = (&entry.kind, entry.investor.is_some(), entry.amount.currency());
        let (count, sums) = kinds.entry(key).or_default();
        *count += 1;
        sums.add(entry.amount)?;
    }
    for ((kind, of_investor, currency), (count, sums)) in &kinds {
        let account = if *of_investor { "Investors" } else { "Properties" };
        table.row(vec![kind_words(kind), account.to_owned(), count.to_string(), amount(sums.of(*currency))]);
    }
    Ok(table)
}

fn entries(order: &Order, data: &Data) -> PaperTable {
    let columns = if order.detailed {
        &["Date", "Property", "Investor", "Entry", "Reference", "Amount>"][..]
    } else {
        &["Date", "Property", "Investor", "Entry", "Amount>"][..]
    };
    let mut table = PaperTable::new("Entries", columns, "No entry in this period.");
    for entry in &data.entries {
        let investor = entry.investor.as_ref().map_or_else(|| NOTHING.to_owned(), |(_, name)| name.clone());
        let mut cells = vec![day(entry.on), entry.property_name.clone(), investor, kind_words(&entry.kind)];
        if order.detailed {
            cells.push(entry.reference.clone());
        }
        cells.push(amount(entry.amount));
        table.row(cells);
    }
    table
}
