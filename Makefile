# make demo   shows the queue at work: installs redis-server if need be, builds, runs
# make test   installs what the tests need, runs them all
.PHONY: demo test test-without-nextest lint bench chaos recovery parquet soak soak-memory mutants fuzz man completions openapi help

BINARY  := target/debug/ireva-queue
MINUTES ?= 30
SEED    ?= 1000
FUZZ_SECONDS ?= 120
# The features that a long run builds, where not all: CARGO_FLAGS='--no-default-features --features std-set'.
CARGO_FLAGS ?=

help:
	@echo 'make demo                    see jobs enqueued, worked, retried, buried and revived on a real Redis'
	@echo 'make test                    every test (about ten minutes on two cores)'
	@echo 'make lint                    formatting, clippy, rustdoc, tidiness'
	@echo 'make bench                   the speeds of the engine'
	@echo 'make chaos                   faults at full length, and 200 distributions whose workers are killed (half an hour)'
	@echo 'make recovery                how long recovery takes, what is lost and what runs twice: a table (six minutes)'
	@echo 'make parquet                 the tests of Parquet files, whose feature is not part of the rest'
	@echo 'make soak MINUTES=30 SEED=   random work under random faults for so long, its history checked; then the model test'
	@echo 'make soak-memory MINUTES=30  what one worker holds at 500 jobs a second beside 1.1 million that wait'
	@echo 'make mutants                 breaks a promise a time, and shows which test notices (MUTANTS="NAME …" for some)'
	@echo 'make fuzz FUZZ_SECONDS=120   every reader of foreign text against random input, for so long each'
	@echo 'make man completions openapi the generated files that are checked in'

demo:
	tests/install.sh demo
	cargo build --bin ireva-queue
	$(BINARY) demo

# The runner's summary comes last. Properties are held against the same cases each time, so that a change is judged by what
# it changes; `make fuzz` and plain `cargo nextest run` look for others.
test: export PROPTEST_RNG_SEED ?= 1
test:
	tests/install.sh test
	cargo test --doc
	@if cargo nextest --version > /dev/null 2>&1; \
	then echo 'cargo nextest run'; cargo nextest run; \
	else $(MAKE) --no-print-directory test-without-nextest; fi

# What measures milliseconds runs by itself, as .config/nextest.toml has it.
TIMED := r25_ r46_ r64_ clearing_a_million clearing_many many_letters
test-without-nextest:
	cargo test --test it -- --test-threads 1 $(TIMED)
	cargo test --lib --bins --tests -- --test-threads 4 $(addprefix --skip ,$(TIMED))

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --lib --no-default-features -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps
	cargo test --test tidy
	@if cargo deny --version > /dev/null 2>&1; \
	then echo 'cargo deny check bans licenses sources'; cargo deny check bans licenses sources; \
	else echo 'cargo-deny is not installed: bans and licences are held by the tests of tidiness alone'; fi

bench:
	tests/install.sh demo
	cargo bench --bench engine --no-default-features

# Each prints its seed; `make chaos CHAOS_SEED=…` repeats it.
FAULTS := $(addprefix scenario::,chaos:: clock:: layout:: leaks:: namespaces:: network:: refusal:: restart:: silence::)
chaos:
	tests/install.sh test
	KILL_RUNS=200 cargo test --test it -- --nocapture --test-threads 1 scenario::money::
	CHAOS=full CHAOS_SEED=$(CHAOS_SEED) cargo test --test it -- --nocapture --test-threads 1 $(FAULTS)

# Each line from five runs; the promises are held too.
recovery:
	tests/install.sh test
	@cargo test --quiet --no-run --test it
	@printf '%s\n%s\n' '| fault | until | median | worst | promised | jobs lost | jobs run again |' '|---|---|---|---|---|---|---|'
	@RECOVERY_RUNS=5 cargo test --quiet --test it -- --nocapture --test-threads 1 scenario::recovery:: | grep '^|'

parquet:
	tests/install.sh test
	cargo nextest run --features parquet -E 'test(/parquet/)'

# Five parts of the time are for the run on real processes, one for the model test.
soak:
	tests/install.sh test
	cargo test $(CARGO_FLAGS) --no-run --test it
	SOAK_SECONDS=$$((50 * $(MINUTES))) CHAOS_SEED=$(SEED) \
	    cargo test $(CARGO_FLAGS) --quiet --test it -- --nocapture r68_whatever_strikes_the_history
	@end=$$(($$(date +%s) + 10 * $(MINUTES))); seed=$(SEED); \
	while [ $$(date +%s) -lt $$end ]; do \
	    MODEL_SEED=$$seed MODEL_SEEDS=2 MODEL_OPS=10000 \
	        cargo test $(CARGO_FLAGS) --quiet --test it -- --nocapture r67_random || exit 1; \
	    seed=$$((seed + 2)); \
	done; echo "seeds $(SEED) to $$((seed - 1)) of 10,000 operations each hold, and the history of seed $(SEED) has no violation"

soak-memory:
	tests/install.sh test
	SOAK_MINUTES=$(MINUTES) cargo test --release $(CARGO_FLAGS) --test it -- --nocapture r23_a_worker_takes

mutants:
	tests/install.sh test
	CARGO_FLAGS='$(CARGO_FLAGS)' tests/mutants/run.sh $(MUTANTS)

# Each target says how many cases it held. What is found is kept in proptest-regressions/, and tried first from then on.
fuzz:
	FUZZ_SECONDS=$(FUZZ_SECONDS) cargo test $(CARGO_FLAGS) --lib --bins -- --nocapture --test-threads 2 fuzz_

man:
	cargo run --quiet -- man man

openapi:
	cargo run --quiet -- openapi > openapi.json

completions:
	cargo build --quiet --bin ireva-queue
	$(BINARY) completions bash > completions/ireva-queue.bash
	$(BINARY) completions zsh > completions/_ireva-queue
	$(BINARY) completions fish > completions/ireva-queue.fish
	$(BINARY) completions elvish > completions/ireva-queue.elv
	$(BINARY) completions powershell > completions/_ireva-queue.ps1
