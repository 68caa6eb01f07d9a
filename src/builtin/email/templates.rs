//! The texts of mails: the operator's templates, and before the last resort those that ship.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, path_loader};
use serde_json::{Map, Value as Json};

use crate::builtin::classify;
use crate::builtin::email::config;
use crate::builtin::email::payload::Mail;
use crate::error::Result;
use crate::processor::ProcessError;

/// Steps of the template engine: some hundred times what a long mail takes, and a fraction of a second.
const FUEL: u64 = 200_000;
const TEXT_MAX_BYTES: usize = 2 * 1024 * 1024;
const ERROR_MAX_CHARS: usize = 500;
const COLUMN_MAX_CHARS: usize = 200;
/// Variables that one error names.
const MISSING_MAX: usize = 30;
const MINUS: &str = "\u{2212}";

/// Name and source of what ships. A name with an underscore before it is for other templates only.
const SHIPPED: [(&str, &str); 15] = [
    ("_layout.html", include_str!("templates/_layout.html")),
    ("_parts.html", include_str!("templates/_parts.html")),
    ("_layout.txt", include_str!("templates/_layout.txt")),
    ("welcome-email.html", include_str!("templates/welcome-email.html")),
    ("welcome-email.txt", include_str!("templates/welcome-email.txt")),
    ("monthly-roi.html", include_str!("templates/monthly-roi.html")),
    ("monthly-roi.txt", include_str!("templates/monthly-roi.txt")),
    ("report-ready.html", include_str!("templates/report-ready.html")),
    ("report-ready.txt", include_str!("templates/report-ready.txt")),
    ("distribution-paid.html", include_str!("templates/distribution-paid.html")),
    ("distribution-paid.txt", include_str!("templates/distribution-paid.txt")),
    ("alert.html", include_str!("templates/alert.html")),
    ("alert.txt", include_str!("templates/alert.txt")),
    ("notification.html", include_str!("templates/notification.html")),
    ("notification.txt", include_str!("templates/notification.txt")),
];

/// The bodies of a mail; at least one is there.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub plain: Option<String>,
    pub html: Option<String>,
}

/// All templates by name.
#[derive(Debug)]
pub(in crate::builtin) struct Templates {
    environment: Environment<'static>,
    directory: Option<PathBuf>,
}

impl Templates {
    /// Templates of `directory`, read when they are first used and again when they change, and those that ship.
    pub fn new(directory: Option<&Path>) -> Result<Self> {
        if let Some(directory) = directory
            && !directory.is_dir()
        {
            return Err(config(format!("template directory {directory:?} is not a directory")));
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_debug(true);
        // A line that holds only a tag leaves no empty line behind.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.expect("the usual delimiters are valid"));
        environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
            true => AutoEscape::Html,
            false => AutoEscape::None,
        });
        environment.add_filter("money", money);
        environment.add_filter("left", |text: Value, width: usize| column(text, width, false));
        environment.add_filter("right", |text: Value, width: usize| column(text, width, true));
        environment.add_filter("wrapped", wrapped);
        let own = directory.map(path_loader);
        environment.set_loader(move |name| match own.as_ref().map_or(Ok(None), |own| own(name))? {
            Some(source) => Ok(Some(source)),
            None => Ok(shipped(name).map(|source| source.to_owned().into())),
        });
        Ok(Self { environment, directory: directory.map(Path::to_owned) })
    }

    /// The texts of a mail. The context is only ever data: nothing in it is read as a template.
    pub(super) fn render(&self, mail: &Mail) -> Result<Texts, ProcessError> {
        let context = context_of(mail);
        let files = self.files(&mail.template)?;
        self.texts(&files, &context).map_err(|(name, error)| {
            let missing = match error.kind() {
                ErrorKind::UndefinedError => self.missing(&files, context),
                _ => Vec::new(),
            };
            // Where only one is, its place is told.
            if missing.len() < 2 {
                return refused(&name, &error);
            }
            let (class, code) = classify::template(&error);
            let named: Vec<_> = missing.iter().map(|variable| format!("{variable:?}")).collect();
            let message = format!(
                "template {:?} cannot be filled in: the variables {} are missing",
                mail.template,
                named.join(", ")
            );
            ProcessError::new(class, code, message)
        })
    }

    /// The variables that a mail's template names and its context lacks; none where there is no such template.
    pub(super) fn missing_in(&self, mail: &Mail) -> Vec<String> {
        self.files(&mail.template).map(|files| self.missing(&files, context_of(mail))).unwrap_or_default()
    }

    /// The files of a template: of its html, and of its plain text.
    fn files(&self, template: &str) -> Result<[Option<String>; 2], ProcessError> {
        let (html, plain) = (format!("{template}.html"), format!("{template}.txt"));
        let own = |name: &String| self.directory.as_ref().is_some_and(|directory| directory.join(name).is_file());
        // A pair is taken from one place: half a pair of the operator's is not completed with ours.
        let found = match (own(&html), own(&plain)) {
            (false, false) => (shipped(&html).is_some(), shipped(&plain).is_some()),
            own => own,
        };
        if found == (false, false) {
            return Err(ProcessError::permanent("template_unknown", format!("there is no template {template:?}")));
        }
        Ok([found.0.then_some(html), found.1.then_some(plain)])
    }

    /// The texts of these files, or which of them could not be filled in, and why.
    fn texts(&self, files: &[Option<String>; 2], context: &Map<String, Json>) -> Result<Texts, (String, Error)> {
        let context = Value::from(minijinja::value::Serde(context));
        let text = |name: &Option<String>| {
            let text = |name: &String| self.text(name, &context).map_err(|error| (name.clone(), error));
            name.as_ref().map(text).transpose()
        };
        let [html, plain] = files;
        Ok(Texts { html: text(html)?, plain: text(plain)? })
    }

    /// Every variable that the context lacks: something is put in its place, until the texts can be written or fail otherwise.
    fn missing(&self, files: &[Option<String>; 2], mut context: Map<String, Json>) -> Vec<String> {
        let (mut missing, mut is_list) = (Vec::<String>::new(), false);
        while missing.len() < MISSING_MAX {
            let Err((_, error)) = self.texts(files, &context) else { break };
            let undefined = Some(root_of(&error)).filter(|root| root.kind() == ErrorKind::UndefinedError);
            match (undefined, missing.last()) {
                (Some(root), _) => {
                    let Some(variable) =
                        root.template_source().zip(root.range()).and_then(|(s, range)| blamed(s, range))
                    else {
                        break;
                    };
                    let variable = variable.to_owned();
                    if missing.contains(&variable) || !put(&mut context, &variable, Json::from(0)) {
                        break;
                    }
                    missing.push(variable);
                    is_list = false;
                }
                // A loop wants a list.
                (None, Some(last)) if !is_list => {
                    is_list = true;
                    put(&mut context, last, Json::Array(Vec::new()));
                }
                _ => break,
            }
        }
        missing
    }

    fn text(&self, name: &str, context: &Value) -> Result<String, Error> {
        let mut text = Text(Vec::new());
        let template = self.environment.get_template(name)?;
        template.render_captured_to(context.clone(), &mut text)?;
        Ok(format!("{}\n", String::from_utf8_lossy(&text.0).trim_end()))
    }

    /// What the plain text of a template says, without the frame of a mail: its block `content`, or all of it where it has
    /// none.
    #[cfg(feature = "notify")]
    pub fn content(&self, template: &str, context: &Map<String, Json>) -> Result<String, ProcessError> {
        let name = format!("{template}.txt");
        let context = Value::from(minijinja::value::Serde(context));
        let (mut whole, mut content) = (Text(Vec::new()), Text(Vec::new()));
        let rendered = self.environment.get_template(&name).and_then(|template| {
            let mut rendered = template.render_captured_to(context, &mut whole)?;
            match rendered.with_state_mut(|state| state.render_block_to_write("content", &mut content)) {
                Err(error) if error.kind() == ErrorKind::UnknownBlock => Ok(false),
                ended => ended.map(|()| true),
            }
        });
        let has_block = rendered.map_err(|error| refused(&name, &error))?;
        let text = if has_block { content.0 } else { whole.0 };
        Ok(String::from_utf8_lossy(&text).trim().to_owned())
    }
}

/// What a mail's template may name: its context, and beside it the subject and the tenant.
fn context_of(mail: &Mail) -> Map<String, Json> {
    let mut context = mail.context.clone();
    context.entry("subject").or_insert_with(|| mail.subject.clone().into());
    if let Some(tenant_id) = &mail.tenant_id {
        context.entry("tenantId").or_insert_with(|| tenant_id.clone().into());
    }
    context
}

/// Puts a value where a variable (`user.name`) looks for it; whether there is such a place.
fn put(context: &mut Map<String, Json>, variable: &str, value: Json) -> bool {
    match variable.split_once('.') {
        None => {
            context.insert(variable.to_owned(), value);
            true
        }
        Some((first, rest)) => {
            let inner = context.entry(first).or_insert_with(|| Json::Object(Map::new()));
            // One that was put there for itself gives way to what is inside of it.
            if *inner == 0 {
                *inner = Json::Object(Map::new());
            }
            inner.as_object_mut().is_some_and(|inner| put(inner, rest, value))
        }
    }
}

pub(super) fn shipped(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(_, source)| *source)
}

fn refused(name: &str, error: &Error) -> ProcessError {
    let (class, code) = classify::template(error);
    ProcessError::new(class, code, explained(name, error))
}

/// The innermost error: that of the template which another one includes.
fn root_of(error: &Error) -> &Error {
    std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<Error>())
        .last()
        .unwrap_or(error)
}

/// What is wrong, with the variable named where one is missing.
fn explained(name: &str, error: &Error) -> String {
    let root = root_of(error);
    let source = root.template_source().zip(root.range()).and_then(|(source, range)| blamed(source, range));
    let place = root.name().zip(root.line()).map_or(String::new(), |(name, line)| format!(" ({name}, line {line})"));
    let why = match (root.kind(), source) {
        (ErrorKind::UndefinedError, Some(variable)) => format!("the variable {variable:?} is missing{place}"),
        (ErrorKind::WriteFailure, _) => format!("its text is over {TEXT_MAX_BYTES} bytes"),
        _ => root.to_string(),
    };
    format!("template {name:?} cannot be filled in: {}", why.chars().take(ERROR_MAX_CHARS).collect::<String>())
}

/// The variable that an error is about: what was put into a filter, the one name in an expression, or all of it.
fn blamed(source: &str, range: std::ops::Range<usize>) -> Option<&str> {
    let is_name = |char: char| char.is_alphanumeric() || "_.".contains(char);
    if let Some(before) = source.get(..range.start)?.trim_end().strip_suffix('|') {
        return Some(&before[before.trim_end_matches(is_name).len()..]);
    }
    let expression = source.get(range)?;
    let unquoted = expression.split('"').step_by(2);
    let mut names = unquoted.flat_map(|part| part.split(|char| !is_name(char))).filter(|name| !name.is_empty());
    match (names.next(), names.next()) {
        (Some(only), None) => Some(only),
        _ => Some(expression),
    }
}

/// A text that refuses to grow past its bound.
struct Text(Vec<u8>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > TEXT_MAX_BYTES {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `"1234567.5"|money("NGN")` is `NGN 1,234,567.50`; the digits are the text's own, never those of a binary fraction.
fn money(amount: Value, currency: Option<String>) -> Result<String, Error> {
    if amount.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let text = amount.to_string();
    let grouped = grouped(&text).ok_or_else(|| {
        Error::new(ErrorKind::InvalidOperation, format!("money needs an amount such as \"1234.50\", not {text:?}"))
    })?;
    let (sign, digits) = grouped.strip_prefix(MINUS).map_or(("", grouped.as_str()), |digits| (MINUS, digits));
    Ok(currency.map_or(grouped.clone(), |currency| format!("{sign}{currency}\u{a0}{digits}")))
}

/// `1234567.5` as `1,234,567.50`; `None` for what is not a decimal number.
fn grouped(text: &str) -> Option<String> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| (MINUS, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "00"));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let mut grouped = String::with_capacity(text.len() + text.len() / 3 + 3);
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    Some(format!("{sign}{grouped}.{fraction:0<2}"))
}

/// A text in a column of so many characters of a plain text mail.
fn column(text: Value, width: usize, on_the_right: bool) -> Result<String, Error> {
    if text.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let (text, width) = (text.to_string(), width.min(COLUMN_MAX_CHARS));
    Ok(if on_the_right { format!("{text:>width$}") } else { format!("{text:<width$}") })
}

/// A text with line breaks put in where a line would be longer than `width` characters; longer words stay whole.
fn wrapped(text: Value, width: usize) -> Result<String, Error> {
    if text.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let mut lines = Vec::new();
    for paragraph in text.to_string().lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn mail(template: &str, context: Json) -> Mail {
        let payload = json!({"to": "a@example.com", "subject": "S & T", "template": template, "context": context});
        Mail::read(&payload.to_string()).unwrap()
    }

    fn own(files: &[(&str, &str)]) -> (tempfile::TempDir, Templates) {
        let directory = tempfile::tempdir().unwrap();
        for (name, source) in files {
            std::fs::write(directory.path().join(name), source).unwrap();
        }
        let templates = Templates::new(Some(directory.path())).unwrap();
        (directory, templates)
    }

    fn least(template: &str) -> Json {
        match template {
            "welcome-email" => json!({"firstName": "Ada"}),
            "monthly-roi" => json!({"firstName": "Ada", "month": "October 2026", "total": "1250.5",
                "properties": [{"name": "Palm Court", "amount": "1250.5"}]}),
            "report-ready" => json!({"reportName": "Q3", "downloadUrl": "https://ireva.example/r/1"}),
            "distribution-paid" => json!({"firstName": "Ada", "propertyName": "Palm Court", "amount": "1250.5"}),
            _ => json!({"title": "Disk almost full", "message": "9 % are left."}),
        }
    }

    #[test]
    fn what_ships_needs_only_what_it_says_it_needs() {
        let templates = Templates::new(None).unwrap();
        for name in ["welcome-email", "monthly-roi", "report-ready", "distribution-paid", "alert", "notification"] {
            let Texts { plain, html } = templates.render(&mail(name, least(name))).unwrap();
            let (plain, html) = (plain.unwrap(), html.unwrap());
            assert!(html.starts_with("<!DOCTYPE html>") && html.contains("<title>S &amp; T</title>"), "{html}");
            assert!(plain.starts_with("iREVA\n=") && !plain.contains("\n\n\n"), "{plain}");
            assert!(plain.lines().all(|line| line.chars().count() <= 80), "{plain}");
            let keys: Vec<String> = least(name).as_object().unwrap().keys().cloned().collect();
            for key in keys {
                let mut context = least(name);
                context.as_object_mut().unwrap().remove(&key);
                let error = templates.render(&mail(name, context)).unwrap_err();
                assert_eq!(error.code(), "template_variable_missing", "{name} without {key}");
                assert!(error.message().contains(&key), "{name} without {key}: {error}");
            }
        }
    }

    #[cfg(feature = "notify")]
    #[test]
    fn content_is_what_a_template_says_without_its_frame() {
        let (_directory, templates) = own(&[
            ("short.txt", "{{ a }} & b\n"),
            ("framed.txt", "{% extends '_layout.txt' %}{% block content %}only {{ a }}{% endblock %}"),
            ("letter.html", "<p>{{ a }}</p>"),
            ("silent.txt", "{% extends '_layout.txt' %}{% block content %}{% endblock %}"),
        ]);
        let content = |name: &str, context: Json| templates.content(name, context.as_object().unwrap());
        let alert = content("alert", json!({"title": "Disk", "message": "9 % are left."})).unwrap();
        assert_eq!(alert, "[WARNING] Disk\n\n9 % are left.");
        assert_eq!(content("short", json!({"a": "<a>"})).unwrap(), "<a> & b");
        assert_eq!(content("silent", json!({})).unwrap(), "");
        assert_eq!(content("framed", json!({"a": "{{a}}"})).unwrap(), "only {{a}}");
        assert_eq!(content("short", json!({})).unwrap_err().code(), "template_variable_missing");
        assert_eq!(content("letter", json!({"a": 1})).unwrap_err().code(), "template_unknown");
    }

    #[test]
    fn a_report_that_is_attached_or_stored_needs_no_link() {
        let table = [("attachment", "attached to this mail:\nq3.pdf"), ("location", "stored as\nq3.pdf")];
        for (place, words) in table {
            let context = json!({"reportName": "Q3", place: "q3.pdf"});
            let Texts { plain, html } = Templates::new(None).unwrap().render(&mail("report-ready", context)).unwrap();
            let (plain, html) = (plain.unwrap(), html.unwrap());
            assert!(plain.contains(words) && !plain.contains("ownload"), "{plain}");
            assert!(html.contains("q3.pdf") && !html.contains("ownload"), "{html}");
        }
    }

    #[test]
    fn a_payload_is_data_and_never_a_template() {
        let context = json!({"firstName": "{{7*7}}{% include 'alert.txt' %}<b>", "a.b": "{{x}}"});
        let Texts { plain, html } = Templates::new(None).unwrap().render(&mail("welcome-email", context)).unwrap();
        assert!(plain.unwrap().contains("Welcome, {{7*7}}{% include 'alert.txt' %}<b>"));
        let html = html.unwrap();
        assert!(html.contains("{{7*7}}{% include &#x27;alert.txt&#x27; %}&lt;b&gt;"), "{html}");
        assert!(!html.contains("<b>"));
    }

    #[test]
    fn the_operators_templates_go_before_those_that_ship() {
        let (_directory, templates) = own(&[("alert.txt", "own {{ title }}"), ("only.html", "<p>{{ x }}</p>")]);
        let Texts { plain, html } = templates.render(&mail("alert", json!({"title": "t"}))).unwrap();
        assert_eq!((plain.as_deref(), html), (Some("own t\n"), None));
        let Texts { plain, html } = templates.render(&mail("only", json!({"x": "<&>"}))).unwrap();
        assert_eq!((plain, html.as_deref()), (None, Some("<p>&lt;&amp;&gt;</p>\n")));
        assert!(templates.render(&mail("welcome-email", json!({"firstName": "A"}))).is_ok());
    }

    #[test]
    fn what_cannot_be_filled_in_is_permanent_and_says_why() {
        let (_directory, templates) = own(&[
            ("missing.txt", "a\n{{ user.name }}"),
            ("broken.txt", "{% if %}"),
            ("endless.txt", "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}"),
            ("huge.txt", "{{ 'x' * 3000000 }}"),
            ("outside.txt", "{% include '../secret.txt' %}"),
        ]);
        let table = [
            ("missing", "template_variable_missing", "\"user.name\""),
            ("broken", "template_failed", "broken.txt"),
            ("endless", "template_limit", "fuel"),
            ("huge", "template_limit", "over 2097152 bytes"),
            ("outside", "template_unknown", "secret.txt"),
            ("nothing", "template_unknown", "\"nothing\""),
        ];
        for (name, code, part) in table {
            let error = templates.render(&mail(name, json!({}))).unwrap_err();
            assert_eq!((error.code(), error.class()), (code, crate::retry::ErrorClass::Permanent), "{name}: {error}");
            assert!(error.message().contains(part), "{name}: {error}");
        }
    }

    #[test]
    fn every_variable_that_is_missing_is_named_at_once() {
        let (_directory, templates) = own(&[
            ("many.txt", "{{ a }} {{ user.name }} {{ user.city }} {% for x in list %}{{ x.y }}{% endfor %}"),
            ("many.html", "{{ a }} {{ total|money('NGN') }}{% if b is defined %}{{ b }}{% endif %}"),
            ("inner.txt", "{% for x in list %}{{ x.y }}{% endfor %}{{ z }}"),
        ]);
        let missing = |name: &str, context: Json| templates.missing_in(&mail(name, context));
        assert_eq!(missing("many", json!({})), ["a", "total", "user.name", "user.city", "list"]);
        assert_eq!(missing("many", json!({"a": 1, "total": "1", "list": [{"y": 1}]})), ["user.name", "user.city"]);
        assert_eq!(missing("inner", json!({"list": [{}]})), ["x.y"], "what stands in the way of the rest");
        assert_eq!(missing("nothing", json!({})), Vec::<String>::new());
        let error = templates.render(&mail("many", json!({"user": {"name": "A"}, "list": []}))).unwrap_err();
        assert_eq!(error.code(), "template_variable_missing");
        assert!(error.message().ends_with(r#"the variables "a", "total", "user.city" are missing"#), "{error}");
        for name in ["welcome-email", "monthly-roi", "report-ready", "distribution-paid", "alert"] {
            let mut wanted: Vec<_> = least(name).as_object().unwrap().keys().cloned().collect();
            let mut named = templates.missing_in(&mail(name, json!({})));
            wanted.sort();
            named.sort();
            assert_eq!(named, wanted, "{name}");
            assert_eq!(templates.missing_in(&mail(name, least(name))), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn plain_text_is_laid_out_by_characters() {
        let column = |text: &str, on_the_right| column(Value::from(text), 6, on_the_right).unwrap();
        assert_eq!((column("né", false), column("né", true)), ("né    ".to_owned(), "    né".to_owned()));
        assert_eq!(wrapped(Value::from("aa bb cccccc d\n\ne"), 5).unwrap(), "aa bb\ncccccc\nd\n\ne");
        assert_eq!(money(Value::from("-5"), Some("NGN".to_owned())).unwrap(), "\u{2212}NGN\u{a0}5.00");
    }

    #[test]
    fn money_keeps_every_digit() {
        let table = [
            ("0", "0.00"),
            ("1234.5", "1,234.50"),
            ("123456789012345678901.25", "123,456,789,012,345,678,901.25"),
            ("-1000", "\u{2212}1,000.00"),
            ("0.125", "0.125"),
        ];
        for (amount, shown) in table {
            assert_eq!(grouped(amount).as_deref(), Some(shown));
        }
        for wrong in ["", "1,000", "1e5", "x", ".5", "5.", "--1"] {
            assert_eq!(grouped(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn fuzz_no_payload_adds_markup_or_reads_as_a_template() {
        use crate::fuzz::{any_json, fuzz};
        use proptest::prelude::*;

        let templates = Templates::new(None).unwrap();
        let names =
            prop::sample::select(vec!["welcome-email", "monthly-roi", "report-ready", "distribution-paid", "alert"]);
        let fields = prop::sample::select(vec![
            "firstName",
            "month",
            "total",
            "properties",
            "reportName",
            "downloadUrl",
            "amount",
            "title",
            "message",
            "currency",
        ]);
        fuzz((names, prop::collection::vec((fields, any_json()), 0..6)), |(name, fields)| {
            let mut context = least(name);
            for (field, value) in fields {
                context[field] = value;
            }
            if let Ok(texts) = templates.render(&mail(name, context)) {
                let html = texts.html.unwrap_or_default();
                prop_assert!(!html.contains("<script>"), "{}", html);
                prop_assert!(html.len() <= TEXT_MAX_BYTES + 1);
            }
            Ok(())
        });
    }

    #[test]
    fn fuzz_an_operators_template_is_filled_in_or_refused_in_bounded_time() {
        use crate::fuzz::{fuzz, text_of};
        use proptest::prelude::*;

        let pieces = &[
            "{{ a }}",
            "{{ a|money(\"NGN\") }}",
            "{{ b|column(9) }}",
            "{{ b|wrapped(3) }}",
            "{% for x in b %}",
            "{% for x in range(9999) %}",
            "{% endfor %}",
            "{% if a %}",
            "{% endif %}",
            "{% block content %}",
            "{% endblock %}",
            "{% include \"t.txt\" %}",
            "{% extends \"t.txt\" %}",
            "{% macro m() %}",
            "{{ m() }}",
            "{% endmacro %}",
            "{{ a * 99999999 }}",
            "{{",
            "}}",
            "{#",
            "text\n",
        ];
        fuzz(text_of(pieces, 10), |source| {
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join("t.txt"), source).unwrap();
            let Ok(templates) = Templates::new(Some(directory.path())) else { return Ok(()) };
            match templates.render(&mail("t", json!({"a": "12.5", "b": ["x", "y"]}))) {
                Ok(texts) => prop_assert!(texts.plain.unwrap_or_default().len() <= TEXT_MAX_BYTES + 1),
                Err(error) => prop_assert!(error.message.chars().count() < ERROR_MAX_CHARS + 500, "{}", error.message),
            }
            Ok(())
        });
    }
}
