//! Every variable that is read, with its default and its meaning: help texts and documents are made from this table.

/// A variable of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its place in the profile file, `section.key`; `None`: it cannot stand there.
    pub profile: Option<&'static str>,
    /// What holds where it is not set; empty: nothing.
    pub default: &'static str,
    /// What it means, in one line.
    pub meaning: &'static str,
    /// Whether its value is never shown.
    pub secret: bool,
}

const fn plain(name: &'static str, profile: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, profile: Some(profile), default, meaning, secret: false }
}

const fn secret(name: &'static str, meaning: &'static str) -> Variable {
    Variable { name, profile: None, default: "", meaning, secret: true }
}

const fn outside(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, profile: None, default, meaning, secret: false }
}

/// Every variable that is read, in the order of the documents.
pub const VARIABLES: &[Variable] = &[
    plain("REDIS_HOST", "redis.host", "localhost", "host name or address of the server"),
    plain("REDIS_PORT", "redis.port", "6379", "its port"),
    secret("REDIS_PASSWORD", "the password"),
    plain("REDIS_PASSWORD_FILE", "redis.password_file", "", "file that holds the password"),
    plain("REDIS_USERNAME", "redis.username", "", "the ACL user"),
    plain("REDIS_DB", "redis.db", "0", "number of the database"),
    plain("REDIS_MODE", "redis.mode", "standalone", "standalone, sentinel, cluster or embedded"),
    plain("REDIS_SENTINEL_NAME", "redis.sentinel_name", "mymaster", "name of the master that the sentinels watch"),
    plain("REDIS_SENTINEL_URLS", "redis.sentinel_urls", "", "the sentinels: host:port, comma-separated"),
    secret("REDIS_SENTINEL_PASSWORD", "the sentinels' own password"),
    plain("REDIS_SENTINEL_PASSWORD_FILE", "redis.sentinel_password_file", "", "file that holds that password"),
    plain("REDIS_SENTINEL_USERNAME", "redis.sentinel_username", "", "the sentinels' own ACL user"),
    plain(
        "REDIS_CLUSTER_URLS",
        "redis.cluster_urls",
        "",
        "some nodes of the cluster: host:port, comma-separated; REDIS_HOST and REDIS_PORT where it is not set",
    ),
    plain("REDIS_TLS", "redis.tls", "off", "on: speak TLS"),
    plain("REDIS_TLS_CA", "redis.tls_ca", "", "PEM file of the authority to trust instead of the system's"),
    plain("REDIS_TLS_CERT", "redis.tls_cert", "", "PEM file of the client's certificate"),
    plain("REDIS_TLS_KEY", "redis.tls_key", "", "PEM file of its key"),
    plain("QUEUE_PREFIX", "redis.prefix", "ireva:queue:", "what every key begins with"),
    plain("QUEUE_WORKER_CONCURRENCY", "worker.concurrency", "CPU cores - 1, at least 1", "jobs a worker runs at once"),
    plain(
        "QUEUE_WORKER_LEASE",
        "worker.lease",
        "30s",
        "how long a worker may be silent before others take its jobs; 4s or more",
    ),
    secret(
        "SMTP_URL",
        "mail server: smtp://user:password@host:port (?tls=none: one without TLS), smtps://…, or file://DIR",
    ),
    plain("SMTP_CA", "mail.smtp_ca", "", "PEM file of the authority to trust for it instead of the system's"),
    plain("MAIL_FROM", "mail.from", "", "sender of mails that name none"),
    plain("MAIL_TEMPLATES", "mail.templates", "", "directory of mail templates of your own"),
    secret("HTTP_URL", "where work posts jobs of queues without a processor of their own; may hold a password"),
    plain("HTTP_URL_FILE", "http.url_file", "", "file that holds that URL"),
    Variable {
        name: "DATABASE_URL",
        profile: None,
        default: "sqlite://$IREVA_QUEUE_DATA_DIR/portfolio.db",
        meaning: "the platform's database: sqlite://FILE or postgres://user:password@host:port/name",
        secret: true,
    },
    plain(
        "REPORT_DIR",
        "files.report_dir",
        "$IREVA_QUEUE_DATA_DIR/reports",
        "where reports are written: a directory, or s3://bucket/prefix",
    ),
    plain(
        "IMPORT_DIR",
        "files.import_dir",
        "$IREVA_QUEUE_DATA_DIR/imports",
        "what imports are read from: a directory, or s3://bucket/prefix",
    ),
    plain(
        "EXPORT_DIR",
        "files.export_dir",
        "$IREVA_QUEUE_DATA_DIR/exports",
        "what exports are written to: a directory, or s3://bucket/prefix",
    ),
    secret("AWS_ACCESS_KEY_ID", "id of the key for s3:// storages"),
    secret("AWS_SECRET_ACCESS_KEY", "that key"),
    secret("AWS_SESSION_TOKEN", "token of a key that is only for now"),
    plain("AWS_REGION", "s3.region", "us-east-1", "region of the object store"),
    plain("AWS_ENDPOINT_URL", "s3.endpoint_url", "", "where the object store is, where it is not Amazon's"),
    secret("HTTP_SIGNING_KEY", "key that signs the requests of the http processor and to webhooks"),
    plain("HTTP_SIGNING_KEY_FILE", "http.signing_key_file", "", "file that holds that key"),
    plain("SMS_URL", "sms.url", "", "where notifications post text messages, with the form that Twilio takes"),
    plain("SMS_FROM", "sms.from", "", "the number or name that text messages come from"),
    plain("SMS_USER", "sms.user", "", "the user of that service"),
    secret("SMS_PASSWORD", "its password"),
    plain("SMS_PASSWORD_FILE", "sms.password_file", "", "file that holds that password"),
    plain("PUSH_URL", "push.url", "", "where notifications post messages for devices, with the JSON of FCM HTTP v1"),
    secret("PUSH_TOKEN", "the bearer token of that service"),
    plain("PUSH_TOKEN_FILE", "push.token_file", "", "file that holds that token; read for each message"),
    secret("SLACK_URL", "the chat hook of notifications whose recipient names none"),
    plain("SLACK_URL_FILE", "slack.url_file", "", "file that holds that URL"),
    plain(
        "NOTIFY_ALLOW",
        "notify.allow",
        "",
        "hosts and networks that URLs of recipients may lead to though not public: HOST, HOST:PORT, 10.0.0.0/8",
    ),
    plain("ALERT_INTERVAL", "alert.interval", "5s", "how often alerts are evaluated; 100ms to 1m"),
    outside("ALERT_EMAIL_TO", "", "addresses that alerts are mailed to, comma-separated: the sink email"),
    secret("ALERT_WEBHOOK_URL", "where alerts are posted to as JSON: the sink webhook"),
    outside("ALERT_WEBHOOK_URL_FILE", "", "file that holds that URL"),
    secret("ALERT_SLACK_URL", "the chat hook of alerts: the sink slack"),
    outside("ALERT_SLACK_URL_FILE", "", "file that holds that URL"),
    outside("ALERT_EXEC", "", "program and arguments, parted by spaces, that alerts are handed to: the sink exec"),
    plain(
        "IREVA_QUEUE_DATA_DIR",
        "data_dir",
        "$XDG_DATA_HOME/ireva-queue",
        "where the embedded server and the database file are kept",
    ),
    plain("IREVA_QUEUE_READ_ONLY", "read_only", "off", "on: refuse every act that writes"),
    outside("IREVA_QUEUE_CONFIG", "$XDG_CONFIG_HOME/ireva-queue/config.toml", "the profile file"),
    outside(
        "IREVA_QUEUE_PROFILE",
        "",
        "name of a profile, in place of that file: $XDG_CONFIG_HOME/ireva-queue/profiles/NAME.toml",
    ),
];
