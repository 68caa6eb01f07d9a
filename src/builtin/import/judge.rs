//! Holds rows against what the database has: what they refer to, their currencies, and ids that are taken.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::payload::{Mode, Order};
use super::reading::Batch;
use super::reject::Reject;
use super::shape::{Cell, Record, Shape};
use crate::builtin::portfolio::{Currency, CurrencyOf, Holds, Money};

/// What the database has of what a batch names.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Properties and their currencies.
    pub properties: HashMap<String, String>,
    pub investors: HashSet<String>,
    /// Rows of the target.
    pub rows: HashSet<String>,
}

/// Ids of the rows of a file that is checked before any of them is in: half a digest of each.
#[derive(Debug, Default)]
pub(super) struct Seen(HashSet<u128>);

impl Seen {
    /// Notes an id; whether it was new.
    fn insert(&mut self, id: &str) -> bool {
        let digest = Sha256::digest(id);
        let half = digest.iter().take(16).fold(0, |half, byte| half << 8 | u128::from(*byte));
        self.0.insert(half)
    }
}

/// Judges the rows of one order.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    order: &'a Order,
    shape: Shape,
}

impl<'a> Judge<'a> {
    pub fn new(order: &'a Order) -> Self {
        Self { order, shape: Shape::new(order) }
    }

    /// The ids that a batch names: of properties, of investors, of the target.
    pub fn named(&self, batch: &Batch) -> [Vec<String>; 3] {
        let of = |wanted: &dyn Fn(Holds) -> bool| {
            let places = self.order.target.fields.iter().enumerate().filter(|(_, field)| wanted(field.holds));
            let places: Vec<_> = places.map(|(place, _)| place).collect();
            let cells = batch.records.iter().flat_map(|record| places.iter().map(|&place| &record.cells[place]));
            let mut ids: Vec<_> = cells.filter_map(Cell::text).map(str::to_owned).collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        [
            of(&|holds| holds == Holds::Reference("properties")),
            of(&|holds| holds == Holds::Reference("investors")),
            of(&|holds| matches!(holds, Holds::Id | Holds::Entry)),
        ]
    }

    /// Takes the rows that are wrong out of a batch, and gives amounts their currency.
    pub fn judge(&self, batch: &mut Batch, known: &mut Known, seen: &mut Seen) {
        for record in std::mem::take(&mut batch.records) {
            match self.record(record, known, seen) {
                Ok(record) => batch.records.push(record),
                Err(rejects) => batch.reject(rejects),
            }
        }
    }

    fn record(&self, mut record: Record, known: &mut Known, seen: &mut Seen) -> Result<Record, Vec<Reject>> {
        let mut rejects = Vec::new();
        for field in self.order.target.fields {
            let Some(id) = self.text(&record, field.name) else { continue };
            let is_there = match field.holds {
                Holds::Reference("properties") => known.properties.contains_key(id),
                Holds::Reference(_) => known.investors.contains(id),
                _ => true,
            };
            if let (false, Holds::Reference(table)) = (is_there, field.holds) {
                let reason = format!("is none of the {table} of tenant {}", self.order.tenant);
                rejects.push(self.reject(&record, field.name, reason));
            }
        }
        rejects.extend(self.currency(&mut record, known).err());
        rejects.extend(self.of_a_distribution(&record));
        if let Some(id) = self.text(&record, "id") {
            // Only of a row that goes in: the id of a wrong one is free for the right one.
            let is_taken = known.rows.contains(id) || (rejects.is_empty() && !seen.insert(id));
            if is_taken && self.order.mode == Mode::Insert {
                let reason = "a row with this id is there already, in the table or further up in the file";
                rejects.push(self.reject(&record, "id", reason));
            } else if rejects.is_empty() {
                known.rows.insert(id.to_owned());
            }
        }
        if rejects.is_empty() { Ok(record) } else { Err(rejects) }
    }

    /// What distributions have written to the ledger was paid, and is held against them: nothing else writes such entries.
    fn of_a_distribution(&self, record: &Record) -> Option<Reject> {
        if self.order.target.name != "transactions" {
            return None;
        }
        let theirs = |field: &'static str, is: fn(&str) -> bool| {
            self.text(record, field)
                .filter(|text| is(text))
                .map(|_| self.reject(record, field, "is an entry of a distribution, which only distributions write"))
        };
        let of_one: fn(&str) -> bool = |text| text.starts_with("distribution/");
        let by_id = theirs("id", of_one).or_else(|| theirs("reference", of_one));
        by_id.or_else(|| theirs("kind", |kind| kind == "distribution"))
    }

    /// Makes money of the amount of a row.
    fn currency(&self, record: &mut Record, known: &Known) -> Result<(), Reject> {
        let own = self.text(record, "currency");
        let property = self.text(record, "propertyId").and_then(|id| known.properties.get(id)).map(String::as_str);
        let currency = match self.order.target.currency {
            CurrencyOf::Row => {
                let stands = self.text(record, "id").and_then(|id| known.properties.get(id));
                if let (Some(stands), Some(own)) = (stands, own)
                    && stands != own
                    && self.order.target.name == "properties"
                {
                    let reason = format!("the property is in {stands}, which stays as it is");
                    return Err(self.reject(record, "currency", reason));
                }
                own
            }
            _ => {
                if let (Some(own), Some(property)) = (own, property)
                    && own != property
                {
                    return Err(self.reject(record, "currency", format!("the property is in {property}")));
                }
                property
            }
        };
        // Where it is unknown, a reject says why already.
        let Some(currency) = currency.and_then(|text| text.parse::<Currency>().ok()) else { return Ok(()) };
        for (place, field) in self.order.target.fields.iter().enumerate() {
            if let Cell::Number(number) = record.cells[place] {
                let money = Money::parse(&number.normalize().to_string(), currency);
                let money = money.map_err(|error| self.reject(record, field.name, error.to_string()))?;
                record.cells[place] = Cell::Money(money);
            }
        }
        Ok(())
    }

    fn text<'r>(&self, record: &'r Record, field: &str) -> Option<&'r str> {
        let place = self.order.target.fields.iter().position(|known| known.name == field)?;
        record.cells[place].text()
    }

    fn reject(&self, record: &Record, field: &str, reason: impl Into<String>) -> Reject {
        let place = self.order.target.fields.iter().position(|known| known.name == field);
        let value = match place.map(|place| &record.cells[place]) {
            Some(Cell::Text(text)) => text.clone(),
            Some(Cell::Number(number)) => number.normalize().to_string(),
            _ => String::new(),
        };
        Reject::new(record.place, self.shape.column_of(field), &value, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::super::payload;
    use super::*;
    use crate::format::{Format, ReadOptions};

    fn known() -> Known {
        let properties = [("123", "NGN"), ("126", "JPY")].map(|(id, currency)| (id.to_owned(), currency.to_owned()));
        Known { properties: properties.into(), investors: ["456".to_owned()].into(), rows: ["old".to_owned()].into() }
    }

    /// What becomes of rows of a target: how many are well, and what is wrong with the others.
    fn judged(target: &str, mode: &str, text: &str) -> (usize, Vec<String>) {
        let order = payload::read(&format!(r#"{{"source":"a.csv","target":"{target}","mode":"{mode}"}}"#)).unwrap();
        let judge = Judge::new(&order);
        let mut reader = Format::Csv.reader(text.as_bytes(), &ReadOptions::default()).unwrap();
        let mut batch = Batch::default();
        while let Some(row) = reader.next_row().unwrap() {
            batch.records.push(judge.shape.read(&row).unwrap());
        }
        judge.judge(&mut batch, &mut known(), &mut Seen::default());
        (batch.records.len(), batch.rejects.iter().map(Reject::said).collect())
    }

    #[test]
    fn what_a_row_refers_to_must_be_there_and_its_amount_must_be_one_of_its_currency() {
        let text = "id,propertyId,investorId,amount,currency,investedOn\n\
                    a,123,456,10.50,,2024-01-31\n\
                    b,999,1,10,,2024-01-31\n\
                    c,126,456,10.50,,2024-01-31\n\
                    d,123,456,10,USD,2024-01-31\n\
                    e,126,456,10,JPY,2024-01-31\n";
        let (well, rejects) = judged("investments", "insert", text);
        assert_eq!(well, 2);
        let expected = [
            "line 3, column \"propertyId\": is none of the properties of tenant default, found \"999\"",
            "line 3, column \"investorId\": is none of the investors of tenant default, found \"1\"",
            "line 4, column \"amount\": 10.5 has more decimals than JPY, which has 0, found \"10.5\"",
            "line 5, column \"currency\": the property is in NGN, found \"USD\"",
        ];
        assert_eq!(rejects, expected);
    }

    #[test]
    fn an_id_that_is_taken_is_rejected_where_rows_are_only_added() {
        let text = "id,name,country,joinedOn\nold,A,NG,2024-01-31\nnew,A,NG,2024-01-31\nnew,B,NG,2024-01-31\n";
        let (well, rejects) = judged("investors", "insert", text);
        let reason = "a row with this id is there already, in the table or further up in the file";
        let expected = [("2", "old"), ("4", "new")]
            .map(|(line, id)| format!("line {line}, column \"id\": {reason}, found {id:?}"));
        assert_eq!((well, rejects), (1, expected.to_vec()));
        assert_eq!(judged("investors", "upsert", text), (3, vec![]));
    }

    #[test]
    fn entries_of_distributions_are_not_brought_in() {
        let head = "id,propertyId,investorId,kind,amount,currency,occurredOn,reference\n";
        let row = |id: &str, kind: &str| format!("{id},123,456,{kind},10,NGN,2024-01-31,r\n");
        let text =
            [head, &row("distribution/123/p/456", "rent"), &row("a", "distribution"), &row("b", "rent")].concat();
        let reason = "is an entry of a distribution, which only distributions write";
        let expected = [
            format!("line 2, column \"id\": {reason}, found \"distribution/123/p/456\""),
            format!("line 3, column \"kind\": {reason}, found \"distribution\""),
        ];
        for mode in ["insert", "upsert"] {
            assert_eq!(judged("transactions", mode, &text), (1, expected.to_vec()));
        }
    }

    #[test]
    fn a_property_keeps_its_currency() {
        let text = "id,name,city,country,currency,acquiredOn,price\n123,A,Lagos,NG,USD,2024-01-31,5\n\
                    126,B,Lagos,NG,JPY,2024-01-31,5\nnew,C,Lagos,NG,USD,2024-01-31,5\n";
        let (well, rejects) = judged("properties", "upsert", text);
        let expected = "line 2, column \"currency\": the property is in NGN, which stays as it is, found \"USD\"";
        assert_eq!((well, rejects), (2, vec![expected.to_owned()]));
    }
}
