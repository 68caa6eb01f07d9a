//! The dashboard of `top`. State and input are pure (what happened goes in, the state and what is to be done come out),
//! drawing is a function of the state; what has an effect stands in `app`, `load`, `act` and `screen`.

mod act;
mod app;
mod chosen;
mod draw;
mod facts;
mod input;
mod layout;
mod load;
mod look;
mod rows;
mod screen;
mod state;
#[cfg(test)]
mod tests;
mod trend;

pub use app::{Setup, run};
