//! Where on the command line the cursor is, and what the definitions of the commands know about that place.

use clap::{Arg, Command, ValueHint};

/// Something that may stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What is written.
    pub value: String,
    /// What it means.
    pub meaning: String,
}

/// What may stand at a place.
#[derive(Debug, Default)]
pub struct Offer {
    /// What is known without asking anybody.
    pub candidates: Vec<Candidate>,
    /// What Redis or the disk is to be asked for.
    pub ask: Option<Wanted>,
    /// `:files`, `:dirs`.
    pub directive: Option<&'static str>,
}

/// Values that are not part of the definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Names of queues.
    Queues,
    /// Ids of jobs.
    Jobs,
    /// Ids of dead letters.
    DeadLetters,
    /// Names of tokens.
    Tokens,
    /// Names of profiles.
    Profiles,
    /// Names of alerts.
    Alerts,
    /// Names of sinks.
    Sinks,
    /// Names of schedules.
    Schedules,
    /// Names of batches.
    Batches,
    /// Names of batches that take jobs.
    OpenBatches,
    /// Services that have failed of late.
    Dependencies,
    /// Acts that can be undone.
    Acts,
    /// Keys by which jobs of the queue are limited.
    Keys,
}

/// The command that is being written, and what of it stands before the cursor.
pub struct Place<'a> {
    command: &'a Command,
    /// The names of the commands, from the first one on.
    path: Vec<&'a str>,
    positionals: Vec<String>,
    options: Vec<(String, String)>,
    /// The option whose value is being written.
    option: Option<&'a Arg>,
    /// Behind `--` there are no options.
    only_positionals: bool,
    current: &'a str,
    /// How much of the word at the cursor stays: `--queue=`, the states before the last comma.
    kept: usize,
}

impl<'a> Place<'a> {
    /// Reads the words before the cursor.
    pub fn find(root: &'a Command, before: &[String], current: &'a str) -> Self {
        let mut place = Self {
            command: root,
            path: Vec::new(),
            positionals: Vec::new(),
            options: Vec::new(),
            option: None,
            only_positionals: false,
            current,
            kept: 0,
        };
        before.iter().for_each(|word| place.read(word));
        place.read_current();
        place
    }

    fn read(&mut self, word: &str) {
        if let Some(option) = self.option.take() {
            self.options.push((option.get_id().to_string(), word.to_owned()));
        } else if self.only_positionals {
            self.positionals.push(word.to_owned());
        } else if word == "--" {
            self.only_positionals = true;
        } else if let Some(long) = word.strip_prefix("--") {
            match long.split_once('=') {
                Some((name, value)) => {
                    let option = self.long(name).map(|option| option.get_id().to_string());
                    self.options.extend(option.map(|option| (option, value.to_owned())));
                }
                None => self.option = self.long(long).filter(|option| needs_value(option)),
            }
        } else if let Some(shorts) = word.strip_prefix('-').filter(|shorts| !shorts.is_empty()) {
            self.option =
                shorts.chars().last().and_then(|short| self.short(short)).filter(|option| needs_value(option));
        } else if let Some(command) = self.positionals.is_empty().then(|| self.command.find_subcommand(word)).flatten()
        {
            self.command = command;
            self.path.push(command.get_name());
        } else {
            self.positionals.push(word.to_owned());
        }
    }

    fn read_current(&mut self) {
        let option = self.current.strip_prefix("--").filter(|_| self.option.is_none() && !self.only_positionals);
        if let Some((name, _)) = option.and_then(|long| long.split_once('=')) {
            self.option = self.long(name);
            self.kept = name.len() + 3;
        }
        let value = &self.current[self.kept..];
        let delimited = self.arg().is_some_and(|arg| arg.get_value_delimiter() == Some(','));
        self.kept += if delimited { value.rfind(',').map_or(0, |at| at + 1) } else { 0 };
    }

    fn long(&self, name: &str) -> Option<&'a Arg> {
        self.command.get_arguments().find(|arg| arg.get_long() == Some(name))
    }

    fn short(&self, letter: char) -> Option<&'a Arg> {
        self.command.get_arguments().find(|arg| arg.get_short() == Some(letter))
    }

    /// The option or argument whose value is being written.
    fn arg(&self) -> Option<&'a Arg> {
        let positional = || {
            let positionals: Vec<_> = self.command.get_positionals().collect();
            let at = positionals.get(self.positionals.len()).copied();
            at.or_else(|| positionals.last().copied().filter(|last| repeats(last)))
        };
        self.option.or_else(positional)
    }

    /// What of the word at the cursor stays before each candidate.
    pub fn kept(&self) -> &str {
        &self.current[..self.kept]
    }

    /// What was written of the value so far.
    pub fn typed(&self) -> &str {
        &self.current[self.kept..]
    }

    /// The value of an option before the cursor.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(option, _)| option == name).map(|(_, value)| value.as_str())
    }

    /// The queue that is named before the cursor: by an option, or as the argument before this one.
    pub fn queue(&self) -> Option<&str> {
        let mut arguments = self.command.get_positionals().zip(&self.positionals);
        let argument = arguments.find(|(arg, _)| is_named(arg, "QUEUE")).map(|(_, value)| value.as_str());
        self.option("queue").or(argument)
    }

    /// What may stand here.
    pub fn offer(&self) -> Offer {
        if self.option.is_none() && !self.only_positionals && self.current.starts_with('-') {
            return Offer { candidates: self.long_options(), ..Offer::default() };
        }
        let mut offer = self.arg().map(|arg| self.values_of(arg)).unwrap_or_default();
        if self.option.is_none() && self.positionals.is_empty() {
            let commands = self.command.get_subcommands().filter(|command| !command.is_hide_set());
            offer.candidates.extend(commands.map(|command| Candidate {
                value: command.get_name().to_owned(),
                meaning: command.get_about().map(ToString::to_string).unwrap_or_default(),
            }));
        }
        offer
    }

    fn long_options(&self) -> Vec<Candidate> {
        let shown = self.command.get_arguments().filter(|arg| !arg.is_hide_set());
        let option = |arg: &Arg| {
            let meaning = arg.get_help().map(ToString::to_string).unwrap_or_default();
            Some(Candidate { value: format!("--{}", arg.get_long()?), meaning })
        };
        shown.filter_map(option).collect()
    }

    fn values_of(&self, arg: &Arg) -> Offer {
        let possible = arg.get_possible_values();
        let candidates: Vec<_> = possible
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| Candidate {
                value: value.get_name().to_owned(),
                meaning: value.get_help().map(ToString::to_string).unwrap_or_default(),
            })
            .collect();
        let weighed = arg.get_id() == "weight";
        let queues = self.positionals.iter().filter(|_| weighed);
        let weights = queues.map(|queue| Candidate { value: format!("{queue}="), meaning: String::new() });
        let candidates: Vec<_> = candidates.into_iter().chain(weights).collect();
        let ask = candidates.is_empty().then(|| self.wanted(arg)).flatten();
        let directive = match arg.get_value_hint() {
            ValueHint::DirPath => Some(":dirs"),
            ValueHint::FilePath | ValueHint::AnyPath => Some(":files"),
            _ if is_named(arg, "DIR") => Some(":dirs"),
            _ if is_named(arg, "FILE") => Some(":files"),
            _ => None,
        };
        Offer { candidates, ask, directive: directive.filter(|_| ask.is_none()) }
    }

    /// What the name of a value says that it is.
    fn wanted(&self, arg: &Arg) -> Option<Wanted> {
        match self.path.first() {
            _ if is_named(arg, "QUEUE") => Some(Wanted::Queues),
            _ if is_named(arg, "PROFILE") => Some(Wanted::Profiles),
            _ if is_named(arg, "ALERT") => Some(Wanted::Alerts),
            _ if is_named(arg, "SINK") => Some(Wanted::Sinks),
            Some(&"enqueue") if arg.get_id() == "batch" => Some(Wanted::OpenBatches),
            // The id of a new job is of its producer's choice, and so is the name of a new schedule.
            Some(&"enqueue") => None,
            Some(&"schedule") if self.path.get(1) == Some(&"add") => None,
            Some(&"dlq") if is_named(arg, "ID") => Some(Wanted::DeadLetters),
            _ if is_named(arg, "ID") || is_named(arg, "JOB") => Some(Wanted::Jobs),
            Some(&"schedule") if is_named(arg, "NAME") => Some(Wanted::Schedules),
            Some(&"batch") if is_named(arg, "NAME") => match self.path.get(1) {
                Some(&"seal") => Some(Wanted::OpenBatches),
                _ => Some(Wanted::Batches),
            },
            _ if is_named(arg, "DEPENDENCY") => Some(Wanted::Dependencies),
            _ if is_named(arg, "ACT") => Some(Wanted::Acts),
            Some(&"limits") if is_named(arg, "KEY") => Some(Wanted::Keys),
            Some(&"token") if self.path.get(1) == Some(&"revoke") => Some(Wanted::Tokens),
            _ => None,
        }
    }
}

fn is_named(arg: &Arg, name: &str) -> bool {
    arg.get_value_names().is_some_and(|names| names.iter().any(|known| known == name))
}

fn needs_value(arg: &Arg) -> bool {
    arg.get_action().takes_values() && arg.get_num_args().is_none_or(|values| values.min_values() > 0)
}

fn repeats(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|values| values.max_values() > 1)
        || matches!(arg.get_action(), clap::ArgAction::Append)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    /// The values, what is to be asked for, and the directive, at the end of a line.
    fn offer(line: &str) -> (Vec<String>, Option<Wanted>, Option<&'static str>) {
        let mut root = Cli::command();
        root.build();
        let mut words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let current = words.pop().unwrap();
        let place = Place::find(&root, &words, &current);
        let Offer { candidates, ask, directive } = place.offer();
        let fits = |candidate: Candidate| Some(candidate.value).filter(|value| value.starts_with(place.typed()));
        (candidates.into_iter().filter_map(fits).collect(), ask, directive)
    }

    #[test]
    fn a_place_is_known_by_what_stands_before_it() {
        let values = |line: &str| offer(line).0;
        assert!(values("").contains(&"enqueue".to_owned()) && !values("").iter().any(|value| value.starts_with('_')));
        assert_eq!(values("que"), ["queues"]);
        assert_eq!(values("queues pa"), ["pause"]);
        assert_eq!(values("-q queues pa"), ["pause"]);
        assert_eq!(values("-o json queues pa"), ["pause"]);
        assert!(values("stats --wa").contains(&"--watch".to_owned()) && values("stats --no-in") == ["--no-input"]);
        assert_eq!(values("jobs list q --state act"), ["active"]);
        assert_eq!(values("jobs list q --state=pending,act"), ["active"]);
        assert_eq!(values("stats -o ta"), ["table"]);
        assert_eq!(values("stats --output=ta"), ["table"]);
        assert!(values("enqueue q -- --").is_empty());
        assert_eq!(values("alerts set a --severity "), ["warning", "critical"]);
        assert_eq!(values("work email orders --weight "), ["email=", "orders="]);
        assert_eq!(values("work email orders --weight email=3,or"), ["orders="]);
    }

    #[test]
    fn what_must_be_asked_for_is_known_by_its_name() {
        let table = [
            ("stats ", Some(Wanted::Queues)),
            ("queues pause q-1 ", Some(Wanted::Queues)),
            ("jobs show ", Some(Wanted::Jobs)),
            ("jobs show x ", Some(Wanted::Jobs)),
            ("jobs show --queue ", Some(Wanted::Queues)),
            ("jobs show --queue=", Some(Wanted::Queues)),
            ("logs ", Some(Wanted::Jobs)),
            ("dlq show ", Some(Wanted::Queues)),
            ("dlq show q ", Some(Wanted::DeadLetters)),
            ("enqueue q --id ", None),
            ("token revoke ", Some(Wanted::Tokens)),
            ("token create ", None),
            ("explain ", Some(Wanted::Jobs)),
            ("schedule show ", Some(Wanted::Schedules)),
            ("schedule pause morning ", Some(Wanted::Schedules)),
            ("schedule add ", None),
            ("schedule list ", Some(Wanted::Queues)),
            ("breaker close ", Some(Wanted::Dependencies)),
            ("breaker open ", Some(Wanted::Dependencies)),
            ("breaker open x ", None),
            ("batch show ", Some(Wanted::Batches)),
            ("batch seal november ", Some(Wanted::OpenBatches)),
            ("enqueue q --batch ", Some(Wanted::OpenBatches)),
            ("undo ", Some(Wanted::Acts)),
            ("stats --profile ", Some(Wanted::Profiles)),
            ("--profile ", Some(Wanted::Profiles)),
            ("jobs list q --limit ", None),
            ("alerts show ", Some(Wanted::Alerts)),
            ("alerts mute a ", Some(Wanted::Alerts)),
            ("alerts test --sink ", Some(Wanted::Sinks)),
            ("alerts set a --sink ops,", Some(Wanted::Sinks)),
            ("limits set ", Some(Wanted::Queues)),
            ("limits set q ", Some(Wanted::Keys)),
            ("limits unset q ", Some(Wanted::Keys)),
        ];
        for (line, wanted) in table {
            assert_eq!(offer(line).1, wanted, "{line:?}");
        }
        assert_eq!((offer("spool flush ").2, offer("enqueue q --ndjson ").2), (Some(":dirs"), Some(":files")));
    }

    #[test]
    fn the_queue_that_was_named_is_known() {
        let mut root = Cli::command();
        root.build();
        let queue = |line: &str| {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            Place::find(&root, &words, "").queue().map(str::to_owned)
        };
        assert_eq!(queue("dlq show email").as_deref(), Some("email"));
        assert_eq!(queue("jobs show --queue email x").as_deref(), Some("email"));
        assert_eq!(queue("jobs show x --queue=email").as_deref(), Some("email"));
        assert_eq!(queue("jobs show x"), None);
    }
}
