//! Formats by name, by file name, and in JSON.

use super::*;

#[test]
fn a_format_is_known_by_its_name_and_by_the_names_of_files() {
    for format in Format::ALL {
        assert_eq!(format.as_str().parse::<Format>().unwrap(), format);
        for compression in Compression::ALL {
            let name = format!("Report 2024.01{}{}", format.ending(), compression.ending());
            assert_eq!(Format::from_file_name(&name).unwrap(), format);
            assert_eq!(Compression::from_file_name(&name), compression);
        }
    }
    let table =
        [("a.jsonl", Format::Ndjson), ("A.XLSX", Format::Excel), ("a.ods", Format::Excel), ("x.CSV.GZ", Format::Csv)];
    for (name, format) in table {
        assert_eq!(Format::from_file_name(name).unwrap(), format);
    }
    for name in ["", "csv", "a.xls", "a.csv.bz2", "a.gz", "a.csv.", "a.csv/b"] {
        assert!(Format::from_file_name(name).is_err(), "{name:?}");
    }
}

#[test]
fn an_unknown_format_is_refused_with_the_known_ones() {
    let error = "xml".parse::<Format>().unwrap_err();
    assert_eq!(error.to_string(), "format \"xml\" is not known: csv, json, ndjson, excel or parquet");
    assert_eq!(serde_json::from_str::<Format>("\"ndjson\"").unwrap(), Format::Ndjson);
    assert!(serde_json::from_str::<Format>("\"CSV\"").is_err());
    assert_eq!(serde_json::to_string(&Format::Excel).unwrap(), "\"excel\"");
}
