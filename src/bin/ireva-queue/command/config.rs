//! `config`: what is configured, and where it comes from.

use anyhow::Result;
use clap::Subcommand;
use ireva_queue::config::{Config, Origin};
use ireva_queue::doctor::AclUser;

use crate::context::Context;
use crate::exit::{Code, Stop};
use crate::output::Answer;
use crate::view::{ListedProfile, ProfilePath, WithOrigin};

/// Show what is configured, and where it comes from
///
/// A flag goes before a variable of the environment, a variable before the
/// profile file, that before the default. The profile file is the one of the
/// profile that --profile or IREVA_QUEUE_PROFILE names,
/// $XDG_CONFIG_HOME/ireva-queue/profiles/NAME.toml, or the file that
/// IREVA_QUEUE_CONFIG names, else $XDG_CONFIG_HOME/ireva-queue/config.toml.
/// With 'read_only = true' in it every act that writes is refused (5).
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue config show --origin
  ireva-queue --profile prod config show
  ireva-queue --profile prod stats
  ireva-queue config acl | redis-cli")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Show(ShowArgs),
    /// Print the path of the profile file
    #[command(before_help = "Example:
  $EDITOR \"$(ireva-queue --profile prod config path)\"")]
    Path,
    /// List the profiles
    #[command(before_help = "Example:
  ireva-queue config list")]
    List,
    Acl(AclArgs),
}

/// Show the values in force; secrets are hidden
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue config show
  ireva-queue config show --origin
  ireva-queue --profile prod config show --set")]
struct ShowArgs {
    /// With where each value comes from
    #[arg(long)]
    origin: bool,

    /// Only what somebody has set
    #[arg(long)]
    set: bool,
}

/// Print the Redis command that gives an ACL user all that is needed, and no more
///
/// The user may send the commands of producers, workers and operators, on keys
/// under QUEUE_PREFIX alone. It is made where it is not there; one that is there
/// keeps its passwords and loses every other right. Run it again after an
/// update: a new version may need another command. 'doctor' names rights that
/// are missing.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue config acl | redis-cli
  ireva-queue config acl --user app -o json
  ireva-queue config acl --sentinels | redis-cli -p 26379")]
struct AclArgs {
    /// Its name [default: REDIS_USERNAME, else ireva-queue]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// The user of the sentinels [name: REDIS_SENTINEL_USERNAME]
    #[arg(long)]
    sentinels: bool,
}

fn acl(args: &AclArgs, context: &Context) -> Result<Answer> {
    let (config, name) = (&context.config()?.redis, args.user.as_deref());
    let user = if args.sentinels { AclUser::of_sentinels(config, name)? } else { AclUser::of_server(config, name)? };
    context.ui.note(&format!("a new user has no password yet: redis-cli ACL SETUSER {} '>PASSWORD'", user.user));
    Ok(Answer::one(user))
}

/// Runs the verb.
pub fn run(args: Args, context: &Context) -> Result<Answer> {
    let explained = context.explained();
    match args.verb {
        Verb::Show(ShowArgs { origin, set }) => {
            let mut values = explained.values;
            values.retain(|value| !set || value.origin != Origin::Default);
            let answer = match origin {
                true => Answer::list(values.into_iter().map(WithOrigin).collect()),
                false => Answer::list(values),
            };
            let problems = explained.problems;
            let errors = if problems.is_empty() { Vec::new() } else { vec![ireva_queue::Error::from(problems).into()] };
            Ok(answer.errors(0, errors))
        }
        Verb::Acl(args) => acl(&args, context),
        Verb::Path => {
            let Some(path) = explained.file else {
                let why = match explained.problems.iter().next() {
                    Some(problem) => problem.to_owned(),
                    None => "no place for a profile file: set HOME or XDG_CONFIG_HOME".to_owned(),
                };
                return Err(Stop::new(Code::Config, why).into());
            };
            let exists = path.exists();
            if !exists {
                context.ui.note("it is not there");
            }
            Ok(Answer::one(ProfilePath { path, exists }))
        }
        Verb::List => {
            let profiles = Config::profiles();
            if profiles.is_empty() {
                context.ui.note("no profiles: each is a file $XDG_CONFIG_HOME/ireva-queue/profiles/NAME.toml");
            }
            let current = explained.file;
            let listed = profiles.into_iter().map(|profile| {
                let current = current.as_ref() == Some(&profile.path);
                ListedProfile { name: profile.name, current, path: profile.path }
            });
            Ok(Answer::list(listed.collect()))
        }
    }
}
