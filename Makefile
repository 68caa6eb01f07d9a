# make demo   shows the queue at work: installs redis-server if need be, builds, runs
# make test   installs what the tests need, runs them all
.PHONY: demo test lint bench soak man completions help

BINARY  := target/debug/ireva-queue
MINUTES ?= 30
SEED    ?=

help:
	@echo 'make demo                    see jobs enqueued, worked, retried, buried and revived on a real Redis'
	@echo 'make test                    every test (about ten minutes on two cores)'
	@echo 'make lint                    formatting, clippy, rustdoc, tidiness'
	@echo 'make bench                   the speeds of the engine'
	@echo 'make soak MINUTES=30 SEED=   the model test for so long'
	@echo 'make man completions         the generated files that are checked in'

demo:
	tests/install.sh demo
	cargo build --bin ireva-queue
	$(BINARY) demo

# The runner's summary comes last.
test:
	tests/install.sh test
	cargo test --doc
	@if cargo nextest --version > /dev/null 2>&1; \
	then echo 'cargo nextest run'; cargo nextest run; \
	else echo 'cargo test --all-targets'; cargo test --lib --bins --tests -- --test-threads 4; fi

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --lib --no-default-features -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps
	cargo test --test tidy

bench:
	tests/install.sh demo
	cargo bench --bench engine

soak:
	tests/install.sh test
	SOAK_MINUTES=$(MINUTES) SOAK_SEED=$(SEED) cargo test --test it -- --nocapture r67

man:
	cargo run --quiet -- man man

completions:
	cargo build --quiet --bin ireva-queue
	$(BINARY) completions bash > completions/ireva-queue.bash
	$(BINARY) completions zsh > completions/_ireva-queue
	$(BINARY) completions fish > completions/ireva-queue.fish
	$(BINARY) completions elvish > completions/ireva-queue.elv
	$(BINARY) completions powershell > completions/_ireva-queue.ps1
