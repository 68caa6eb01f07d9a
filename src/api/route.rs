//! A route: its handler, its document, and the rules that hold for it. They are said once, so what is documented is so.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterIn, Paths};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::ArrayBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Ref, RefOr, Required, Response, ResponseBuilder, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::Api;
use super::problem::Problem;
use super::rules::{Pace, Rules, enforce};
use crate::Scope;
use crate::stats::Enqueued;

/// The name of the security scheme.
pub(super) const TOKEN: &str = "token";

type Schemas = Vec<(String, RefOr<Schema>)>;

/// Routes, put together.
#[derive(Default)]
pub(super) struct Routes {
    pub router: Router<Api>,
    pub paths: Paths,
    pub schemas: Schemas,
}

/// One method of one path.
pub(super) struct Route {
    path: String,
    method: HttpMethod,
    handler: MethodRouter<Api>,
    operation: OperationBuilder,
    schemas: Schemas,
    rules: Rules,
    body: bool,
    refuses: bool,
    misses: bool,
}

impl Route {
    /// GET `path`; `id` is what generated clients call it.
    pub(super) fn get<T: 'static>(path: impl Into<String>, id: &str, handler: impl Handler<T, Api>) -> Self {
        Self::new(path.into(), (HttpMethod::Get, MethodFilter::GET), id, handler)
    }

    /// POST `path`.
    pub(super) fn post<T: 'static>(path: impl Into<String>, id: &str, handler: impl Handler<T, Api>) -> Self {
        Self::new(path.into(), (HttpMethod::Post, MethodFilter::POST), id, handler)
    }

    /// PUT `path`.
    pub(super) fn put<T: 'static>(path: impl Into<String>, id: &str, handler: impl Handler<T, Api>) -> Self {
        Self::new(path.into(), (HttpMethod::Put, MethodFilter::PUT), id, handler)
    }

    /// PATCH `path`.
    pub(super) fn patch<T: 'static>(path: impl Into<String>, id: &str, handler: impl Handler<T, Api>) -> Self {
        Self::new(path.into(), (HttpMethod::Patch, MethodFilter::PATCH), id, handler)
    }

    /// DELETE `path`.
    pub(super) fn delete<T: 'static>(path: impl Into<String>, id: &str, handler: impl Handler<T, Api>) -> Self {
        Self::new(path.into(), (HttpMethod::Delete, MethodFilter::DELETE), id, handler)
    }

    fn new<T: 'static>(
        path: String,
        (method, filter): (HttpMethod, MethodFilter),
        id: &str,
        handler: impl Handler<T, Api>,
    ) -> Self {
        Self {
            path,
            method,
            handler: on(filter, handler),
            operation: OperationBuilder::new().operation_id(Some(id)),
            schemas: Vec::new(),
            rules: Rules::default(),
            body: false,
            refuses: false,
            misses: false,
        }
    }

    /// What it does, in one line, and below it what else is to be known.
    pub(super) fn does(mut self, summary: &str, description: &str) -> Self {
        self.operation = self.operation.summary(Some(summary));
        if !description.is_empty() {
            self.operation = self.operation.description(Some(description));
        }
        self
    }

    /// The scope that it takes. Without one, any caller that was let in may ask.
    pub(super) fn scope(mut self, scope: Scope) -> Self {
        self.rules.scope = Some(scope);
        self
    }

    /// Parameters of path and query.
    pub(super) fn takes<T: IntoParams>(mut self) -> Self {
        for parameter in T::into_params(|| None) {
            self.operation = self.operation.parameter(parameter.clone());
            self.rules.parameters.push(parameter);
        }
        self
    }

    /// A header that may be sent.
    pub(super) fn takes_header(mut self, name: &str, description: &str) -> Self {
        let parameter = utoipa::openapi::path::ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header);
        let parameter = parameter.required(Required::False).description(Some(description));
        self.operation = self.operation.parameter(parameter.schema(Some(String::schema())));
        self
    }

    /// A body of JSON.
    pub(super) fn body(mut self, description: &str, schema: RefOr<Schema>, example: serde_json::Value) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).example(Some(example)).build();
        let body = RequestBodyBuilder::new().description(Some(description)).required(Some(Required::True));
        self.operation = self.operation.request_body(Some(body.content("application/json", content).build()));
        self.body = true;
        self
    }

    /// The schema of `T`, to be referred to.
    pub(super) fn refer<T: ToSchema>(&mut self) -> RefOr<Schema> {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(T::name()).into()
    }

    /// It answers 200 with a `T`.
    pub(super) fn answers<T: ToSchema>(mut self, description: &str) -> Self {
        let schema = self.refer::<T>();
        self.answer("200", description, "application/json", schema, &[])
    }

    /// It answers 200 with a list of `T`.
    pub(super) fn answers_list<T: ToSchema>(mut self, description: &str, headers: &[(&str, &str)]) -> Self {
        let schema = ArrayBuilder::new().items(self.refer::<T>()).build();
        self.answer("200", description, "application/json", Schema::Array(schema).into(), headers)
    }

    /// It answers `status` with a body of this type and schema.
    pub(super) fn answer(
        mut self,
        status: &str,
        description: &str,
        media_type: &str,
        schema: RefOr<Schema>,
        headers: &[(&str, &str)],
    ) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let mut response = ResponseBuilder::new().description(description).content(media_type, content);
        for (name, meaning) in headers {
            response = response
                .header(*name, HeaderBuilder::new().schema(Some(String::schema())).description(Some(*meaning)).build());
        }
        self.operation = self.operation.response(status, response.build());
        self
    }

    /// It answers 202: a job is accepted.
    pub(super) fn accepts(mut self) -> Self {
        let schema = self.refer::<Enqueued>();
        self.answer("202", "The job is accepted", "application/json", schema, &[("Location", "Where the job is")])
    }

    /// It may be refused for the state that something is in (409).
    pub(super) fn may_refuse(mut self) -> Self {
        self.refuses = true;
        self
    }

    /// What a parameter names may not be there (404), as with every path that names something.
    pub(super) fn may_miss(mut self) -> Self {
        self.misses = true;
        self
    }

    /// Its answer may take longer than that of others.
    pub(super) fn pace(mut self, pace: Pace) -> Self {
        self.rules.pace = pace;
        self
    }

    /// The problems that it may answer with.
    fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let of_body = ["408", "413", "415"];
        let may = |status: &str| match status {
            "404" => self.misses || self.path.contains('{'),
            "409" => self.refuses,
            status => self.body || !of_body.contains(&status),
        };
        PROBLEMS.iter().filter(|(status, ..)| may(status)).map(|(status, name, _)| (*status, *name)).collect()
    }
}

/// The problems of all routes: the status, a name for the document, what it means.
const PROBLEMS: [(&str, &str, &str); 12] = [
    ("400", "Invalid", "A value of the request is not valid"),
    ("401", "NoToken", "A token is needed, or the one that was sent is not valid"),
    ("403", "NotAllowed", "The token has not the scope, or the request came from elsewhere"),
    ("404", "NotFound", "What is named is not there"),
    ("408", "SlowBody", "The body came too slowly"),
    ("409", "Refused", "Its state does not allow it"),
    ("413", "TooLarge", "The body is too long"),
    ("415", "NotJson", "The body is not declared as JSON"),
    ("429", "TooMany", "Too many wrong tokens, or the queue is full"),
    ("500", "Internal", "This service is not in order"),
    ("503", "NotNow", "The store behind the queue is away, or takes nothing now"),
    ("504", "TimeUp", "Time is up, or it is not known whether it was done"),
];

/// The same as parts of the document, to be referred to.
pub(super) fn problems() -> impl Iterator<Item = (&'static str, Response)> {
    PROBLEMS.iter().map(|(_, name, meaning)| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
        (*name, ResponseBuilder::new().description(*meaning).content("application/problem+json", content).build())
    })
}

impl Routes {
    /// Adds routes, which the document gathers under `tag`.
    pub(super) fn tagged(mut self, tag: &str, routes: impl IntoIterator<Item = Route>) -> Self {
        for mut route in routes {
            for (status, name) in route.problems() {
                route.operation = route.operation.response(status, Ref::from_response_name(name));
            }
            let scopes = route.rules.scope.iter().map(|scope| scope.as_str());
            let operation = route.operation.tag(tag).security(SecurityRequirement::new(TOKEN, scopes)).build();
            self.paths.add_path_operation(&route.path, vec![route.method], operation);
            self.schemas.extend(route.schemas);
            let rules = from_fn_with_state(Arc::new(route.rules), enforce);
            self.router = self.router.route(&route.path, route.handler.route_layer(rules));
        }
        self
    }
}
