//! The statements that rows of a file go into a table with.

use std::collections::HashSet;

use super::payload::{Mode, Order};
use super::shape::Record;
use crate::builtin::portfolio::{CurrencyOf, Field, Holds, Table};

/// The columns of a table that are its own.
pub(super) fn own_columns(table: &Table) -> impl Iterator<Item = (usize, &'static Field)> {
    let is_joined = table.currency == CurrencyOf::Property;
    table.fields.iter().enumerate().filter(move |(_, field)| !(is_joined && field.holds == Holds::Currency))
}

/// `INSERT INTO … (…) `, and what becomes of rows that are there.
pub(super) fn insert(order: &Order) -> (String, String) {
    let table = order.target;
    let columns: Vec<_> = own_columns(table).map(|(_, field)| field.column).collect();
    let begin = format!("INSERT INTO {} (tenant_id, {}) ", table.name, columns.join(", "));
    if order.mode == Mode::Insert {
        return (begin, " ON CONFLICT (tenant_id, id) DO NOTHING".to_owned());
    }
    // A cell that holds nothing leaves what is there.
    let set = columns.iter().filter(|column| **column != "id");
    let set: Vec<_> =
        set.map(|column| format!("{column} = COALESCE(excluded.{column}, {}.{column})", table.name)).collect();
    (begin, format!(" ON CONFLICT (tenant_id, id) DO UPDATE SET {}", set.join(", ")))
}

/// Rows of one statement: the same id twice in it would be an error, and the later row is the one that counts.
pub(super) fn statements(order: &Order, records: Vec<Record>) -> Vec<Vec<Record>> {
    let id = order.target.fields.iter().position(|field| field.name == "id").unwrap_or_default();
    let mut statements: Vec<Vec<Record>> = vec![Vec::new()];
    let mut ids = HashSet::new();
    for record in records {
        if !ids.insert(record.cells[id].text().unwrap_or_default().to_owned()) {
            ids = HashSet::from([record.cells[id].text().unwrap_or_default().to_owned()]);
            statements.push(Vec::new());
        }
        statements.last_mut().expect("there is one from the start").push(record);
    }
    statements.retain(|records| !records.is_empty());
    statements
}

#[cfg(test)]
mod tests {
    use super::super::payload;
    use super::super::shape::Cell;
    use super::*;
    use crate::format::Place;

    fn order(mode: &str) -> Order {
        payload::read(&format!(r#"{{"source":"a.csv","target":"valuations","mode":"{mode}"}}"#)).unwrap()
    }

    #[test]
    fn a_joined_currency_is_no_column_and_an_update_keeps_what_is_there() {
        let (begin, conflict) = insert(&order("insert"));
        assert_eq!(begin, "INSERT INTO valuations (tenant_id, id, property_id, valued_on, amount, method) ");
        assert_eq!(conflict, " ON CONFLICT (tenant_id, id) DO NOTHING");
        let (_, conflict) = insert(&order("upsert"));
        assert!(conflict.contains("amount = COALESCE(excluded.amount, valuations.amount)"), "{conflict}");
        assert!(!conflict.contains(" id = "), "{conflict}");
    }

    #[test]
    fn an_id_is_in_a_statement_once_and_later_rows_come_later() {
        let record = |id: &str| Record { place: Place::default(), cells: vec![Cell::Text(id.to_owned())] };
        let records = ["a", "b", "a", "c", "a"].map(record).to_vec();
        let ids: Vec<Vec<_>> = statements(&order("upsert"), records)
            .iter()
            .map(|records| records.iter().map(|record| record.cells[0].text().unwrap().to_owned()).collect())
            .collect();
        assert_eq!(ids, [vec!["a", "b"], vec!["a", "c"], vec!["a"]]);
        assert!(statements(&order("upsert"), vec![]).is_empty());
    }
}
