//! What to do about each code: one table.

use crate::retry::ErrorClass::{self, Permanent, Throttled, Transient};

/// One line for each code word; a word that ends in `*` stands for all that begin so.
#[rustfmt::skip]
const ADVICE: &[(&str, &str)] = &[
    // From the queue itself.
    ("crash_loop", "its worker died each time that it ran: look into the worker's log and the kernel's (memory?) before you retry it"),
    ("expired", "its ttl was over before it could start: add workers or lengthen --ttl; a retry begins the ttl anew"),
    ("panic", "a defect of the processor: mend it, then retry"),
    ("record_unreadable", "what is stored of it cannot be read: enqueue it again from its source, then delete it"),
    ("result_invalid", "the result is no JSON or larger than 1 MiB: a defect of the processor; look whether the work was done before you retry"),
    ("timeout", "the service is slow or the timeout short: look at the service, or enqueue with a longer --timeout; then retry"),
    ("cancelled", "the attempt was cancelled; retry it if it is still wanted"),
    ("snoozed", "a service said to wait: nothing to do, it runs again by itself"),
    ("breaker_open", "a service failed again and again and is left alone: breaker list says which; the job runs when it answers"),
    ("unknown", "nobody wrote down why; look into the worker's log of that time"),
    // Payloads.
    ("payload_invalid", "mend the payload: dlq retry QUEUE ID --edit @mended.json ('schema QUEUE' says what it must hold)"),
    ("amount_invalid", "mend the amount: dlq retry QUEUE ID --edit @mended.json"),
    ("override_invalid", "mend overrideRates: dlq retry QUEUE ID --edit @mended.json"),
    ("currency_mismatch", "mend the currency: dlq retry QUEUE ID --edit @mended.json"),
    ("property_unknown", "mend propertyId, or add the property to the database; then retry"),
    ("tenant_unknown", "mend tenantId, or add the tenant to the database; then retry"),
    ("investor_unknown", "mend investorId, or add the investor to the database; then retry"),
    ("no_investors", "the property has no investors yet: add them, then retry"),
    ("no_data", "there is nothing to report on for that time: mend the period, or delete it"),
    ("text_too_long", "shorten the text: dlq retry QUEUE ID --edit @mended.json"),
    ("channel_not_configured", "set what the channel needs on the workers, start them again, then retry"),
    ("report_too_large", "ask for a shorter period: dlq retry QUEUE ID --edit @mended.json"),
    ("format_unavailable", "ask for another format, or run a worker that was built with it; then retry"),
    ("pdf_missing", "run a worker that was built with pdf, or ask for another format; then retry"),
    ("pdf_failed", "the document could not be set: a defect; ask for another format meanwhile"),
    // Mail.
    ("email_missing", "the investor has no email address: add it to the database, then retry"),
    ("mail_invalid", "the mail could not be put together: mend address and template, then retry"),
    ("sender_missing", "set MAIL_FROM on the workers, start them again, then retry"),
    ("address_not_supported", "the mail server takes no such address: mend it, or use another server; then retry"),
    ("smtp_5xx", "the mail server refuses this mail for good: read its answer, mend the address or delete it"),
    ("smtp_4xx", "the mail server refuses for now: look at its log and at greylisting, then retry"),
    ("smtp_auth", "the mail server does not take the login: mend SMTP_URL on the workers, start them again, then retry"),
    ("smtp_client", "the mail server and SMTP_URL do not fit: mend SMTP_URL (port, tls), start the workers again, then retry"),
    ("smtp_protocol", "what answers there is no mail server: mend SMTP_URL (port), start the workers again, then retry"),
    ("smtp_refused", "the mail server takes no mails from here: look at its rules for this host, then retry"),
    ("smtp_throttled", "the mail server wants fewer mails: queues set QUEUE --rate, then retry with --rate"),
    ("template_empty", "the template gives no text: mend it, then retry"),
    ("template_failed", "the template cannot be rendered: mend it, then retry"),
    ("template_limit", "the template takes too long or gets too large: mend it, then retry"),
    ("template_unknown", "there is no such template on the workers: add it or mend the name, then retry"),
    ("template_variable_missing", "the context lacks what the template names: dlq retry QUEUE ID --edit @mended.json"),
    // The network.
    ("address_refused", "the address is not public: mend the URL, or allow it on the workers (NOTIFY_ALLOW), then retry"),
    ("connection_*", "the service cannot be reached or hangs up: look whether it runs and listens, then retry"),
    ("dns_failed", "the host name does not resolve: mend the name or the resolver, then retry"),
    ("host_unreachable", "no way leads to the host: look at network and firewall, then retry"),
    ("tls_untrusted", "the service's certificate is not trusted: mend it or add its authority on the workers, then retry"),
    ("tls_*", "no safe connection comes about: look at the tls settings of both sides, then retry"),
    ("http_auth", "the service does not take the credentials: mend them on the workers, start them again, then retry"),
    ("http_429", "the service wants fewer requests: queues set QUEUE --rate, then retry with --rate"),
    ("url_invalid", "the URL is none that can be posted to: mend it, dlq retry QUEUE ID --edit @mended.json"),
    ("http_408", "the service gave up waiting: look at its load, then retry"),
    ("http_425", "the service wants the request later: retry"),
    ("http_3xx", "the service has moved: mend the URL, dlq retry QUEUE ID --edit @mended.json"),
    ("http_4xx", "the service refuses this request: read its answer, mend URL or body, dlq retry QUEUE ID --edit @mended.json"),
    ("http_5xx", "the service fails: look at its log, then retry with --rate"),
    ("http_protocol", "what answers there speaks no HTTP: mend the URL (port), then retry"),
    ("http_request_invalid", "no request can be made of it: mend URL and headers, dlq retry QUEUE ID --edit @mended.json"),
    ("header_invalid", "the first line of the file names no usable columns: mend the file, then retry"),
    ("token_missing", "the token's file is not there: put it where the workers look for it, then retry"),
    ("token_unreadable", "the workers cannot read the token's file: mend its rights, then retry"),
    // Commands.
    ("exec_not_found", "there is no such command on the workers: install it or mend --exec, then retry"),
    ("exec_not_allowed", "the command may not be run: mend its rights, then retry"),
    ("exec_failed", "the command could not be started: look at the worker's limits, then retry"),
    ("exit_*", "the command said so by its exit code: read what it wrote (jobs show ID), mend that, then retry"),
    ("signal_*", "the command was killed: look into the kernel's log (memory?), then retry"),
    ("no_answer", "the processor did not answer for this job: mend it, then retry"),
    // Data and files.
    ("database_access", "the database does not take the login or lacks a right: mend DATABASE_URL or grant it, then retry"),
    ("database_busy", "the database is busy: look at its locks, then retry with --rate"),
    ("database_constraint", "the database refuses the rows: read the error, mend the data, then retry"),
    ("database_error", "the database fails: look at its log, then retry"),
    ("database_outdated", "the schema is older than the workers: db migrate, then retry"),
    ("database_unreachable", "the database cannot be reached: look whether it runs, then retry"),
    ("distribution_conflict", "another distribution of that id stands in the database: compare both before you retry"),
    ("data_corrupt", "the database holds what cannot be: mend the rows that the error names, then retry"),
    ("data_changed", "the data changed while they were read: retry"),
    ("claim_lost", "another worker took the import over: nothing to do, it goes on there"),
    ("queue_refused", "the queue that it hands over to refuses: look whether that queue is full or its server down, then retry"),
    ("import_changed", "the file is not the one that was begun with: import it under a new id, then delete this one"),
    ("import_rejected", "no row of the file was good: mend the rows that the file of rejects names, then retry"),
    ("import_goes_on", "the file does not fit into one run: nothing to do, the next one goes on behind the rows that are in"),
    ("too_many_rows", "split the file, or import it with onError reject: dlq retry QUEUE ID --edit @mended.json"),
    ("rows_beside", "rows of another import stand there: read the error, clean them up, then retry"),
    ("rows_broken_off", "the rows broke off while they were written: retry"),
    ("file_changing", "the file is still being written: retry when it is whole"),
    ("file_missing", "the file is not there: put it there or mend its name, then retry"),
    ("file_failed", "the file could not be written: look at disk and rights, then retry"),
    ("file_name_invalid", "mend the file's name: dlq retry QUEUE ID --edit @mended.json"),
    ("file_refused", "the path leads where files may not be: mend it, then retry"),
    ("file_too_large", "the file is larger than allowed: split it, then retry"),
    ("storage_access", "the workers may not read or write there: mend the rights, then retry"),
    ("storage_full", "the disk or the quota is full: make room, then retry"),
    ("storage_unfit", "the store cannot do what is needed: use another one, then retry"),
    ("storage_unreachable", "the store cannot be reached: look whether it runs, then retry"),
    ("storage_failed", "the store fails: look at disk and log, then retry"),
    ("table_invalid", "the file is no table of that format: mend it, then retry"),
    ("table_failed", "the table could not be read or written: look at disk and memory, then retry"),
];

/// What to do about a job whose last error has this code and class.
pub(crate) fn advice(code: &str, class: ErrorClass) -> &'static str {
    let known = |word: &str| match word.strip_suffix('*') {
        Some(start) => code.starts_with(start),
        None => code == word,
    };
    let said = ADVICE.iter().find(|(word, _)| known(word)).map(|(_, advice)| *advice);
    said.unwrap_or(match class {
        Transient => "look whether what the error names works again, then retry",
        Throttled => "the service wants less: queues set QUEUE --rate, then retry with --rate",
        Permanent => "read the error and mend what it names (dlq retry QUEUE ID --edit @mended.json), or delete it",
    })
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use regex::Regex;

    use super::*;

    /// Every code that the processors and the worker give, as it is written in their sources.
    fn codes() -> Vec<(PathBuf, String)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut waiting = vec![root.join("builtin"), root.join("worker"), root.join("processor")];
        let given = r#"(?:(?:Permanent|Transient|Throttled), |\b(?:permanent|transient|throttled)\(\s*)"([a-z0-9_]+)""#;
        let given = Regex::new(given).unwrap();
        let mut codes = Vec::new();
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let code: String = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .map(|line| format!("{line}\n"))
                .collect();
            codes.extend(given.captures_iter(&code).map(|found| (path.clone(), found[1].to_owned())));
        }
        codes.retain(|(path, _)| !path.ends_with("tests.rs"));
        codes
    }

    #[test]
    fn every_code_of_ours_has_its_advice() {
        let codes = codes();
        assert!(codes.len() > 60, "the codes are where they are looked for");
        let bare = |code: &str| Permanent == ErrorClass::Permanent && advice(code, Permanent) == advice("?", Permanent);
        let without: Vec<_> = codes.iter().filter(|(_, code)| bare(code)).collect();
        assert!(without.is_empty(), "no advice for {without:#?}");
    }

    #[test]
    fn variables_that_are_advised_are_there() {
        let variable = Regex::new("[A-Z]+_[A-Z_]+").unwrap();
        let named = ADVICE.iter().flat_map(|(_, advice)| variable.find_iter(advice));
        for name in named.map(|found| found.as_str()) {
            assert!(crate::config::VARIABLES.iter().any(|variable| variable.name == name), "{name}");
        }
    }

    #[test]
    fn a_word_stands_once_and_each_line_is_short() {
        let mut words: Vec<_> = ADVICE.iter().map(|(word, _)| *word).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), ADVICE.len());
        assert!(ADVICE.iter().all(|(_, advice)| advice.len() <= 140), "{:?}", ADVICE.iter().map(|a| a.1.len()).max());
    }

    #[test]
    fn codes_that_nobody_knows_are_advised_by_their_class() {
        assert_ne!(advice("my_code", Transient), advice("my_code", Permanent));
        assert!(
            advice("exit_65", Permanent).contains("exit code")
                && advice("connection_lost", Transient).contains("listens")
        );
    }
}
