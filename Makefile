# The commands of this project. Each sets up what it needs (scripts/setup), says so, and does not do it again the next time.
.DEFAULT_GOAL := help
.PHONY: help demo test check lint fmt crds reference requirements manifests docs clean kind-up kind-e2e kind-router kind-down setup-demo setup-dev
BIN := .venv/bin
FAMILY ?= dual
# A lab starts a dozen processes of ours: without compiled modules each would compile all of them again.
unexport PYTHONDONTWRITEBYTECODE

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

demo: setup-demo ## build clusters on this machine, give IPs to Services, reach them; needs no root where user namespaces are allowed
	@scripts/demo

test: setup-dev ## run all tests but those on a kind cluster, on the embedded and the real API server (built with Go once, outside the checkout)
	@PATH="$$PATH:$(CURDIR)/.venv-uv/bin" $(BIN)/python -m baremetal_lb.lab.build
	@PYTHONPATH=kind-config:. $(BIN)/python -m kind_cluster tools
	@scripts/test $(PYTEST_ARGS)

check: setup-dev ## formatting, lint, types and import contracts, in under a minute
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

lint: setup-dev ## lint, and mend what can be mended
	@$(BIN)/ruff check --fix .

fmt: setup-dev ## format
	@$(BIN)/ruff format .

crds: setup-dev ## write the committed custom resource definitions anew
	@for identity in baremetal-lb metallb; do $(BIN)/bmlb crds --identity $$identity --directory deploy/crds/$$identity; done

manifests: setup-dev ## write the generated parts of deploy/ anew, with Helm (built with Go once)
	@PYTHONPATH=kind-config:. $(BIN)/python -m tests.support.manifests

docs: setup-docs ## build the site of docs/ into build/site; a dead link fails it
	@mkdir -p build && { NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --clean >build/docs.log 2>&1 || { cat build/docs.log; exit 1; }; }

reference: setup-dev ## write the generated pages of docs/reference anew
	@$(BIN)/python -m tests.support.reference

requirements: setup-dev ## compile the pinned requirements anew
	@uv=$$(command -v uv || echo .venv-uv/bin/uv); \
	compile="$$uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11"; \
	$$compile pyproject.toml -o requirements/runtime.txt; \
	$$compile pyproject.toml --group dev -o requirements/dev.txt; \
	$$compile --group docs -o requirements/docs.txt; \
	$$compile --group build -c requirements/dev.txt -o requirements/build.txt; \
	$$compile --group uv -o requirements/uv.txt

kind-up: setup-kind ## a kind cluster of three nodes with the project's image (FAMILY=ipv4 or dual); what it needs it builds, once
	@PYTHONPATH=kind-config:. $(BIN)/python -m kind_cluster up --family $(FAMILY)

kind-e2e: kind-up ## install on that cluster by chart and try everything that is promised
	@$(BIN)/pytest -m kind tests/kind $(PYTEST_ARGS)

kind-router: setup-kind ## an FRR router beside that cluster
	@PYTHONPATH=kind-config:. $(BIN)/python -m kind_cluster router

kind-down: setup-kind ## remove the cluster, and the Docker daemon if it was started for it
	@PYTHONPATH=kind-config:. $(BIN)/python -m kind_cluster down

clean: ## remove what was built here; servers built with Go stay in ~/.cache/baremetal-lb
	@rm -rf .venv .venv-uv .venv-docs .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup-demo:
	@scripts/setup demo

setup-dev:
	@scripts/setup dev

setup-docs:
	@scripts/setup docs

setup-kind:
	@scripts/setup kind
