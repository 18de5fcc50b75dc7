# The page is built by npm (./dev does it), and installed if it was built.

install-data-local:
	@if test -f $(srcdir)/frontend/dist/index.html; then \
		$(MKDIR_P) "$(DESTDIR)$(pkgdatadir)/page" && \
		(cd $(srcdir)/frontend/dist && tar cf - .) | (cd "$(DESTDIR)$(pkgdatadir)/page" && tar xf - --no-same-owner); \
	fi
uninstall-local:
	rm -rf "$(DESTDIR)$(pkgdatadir)/page"
EXTRA_DIST += \
	frontend/.npmrc \
	frontend/README.md \
	frontend/e2e \
	frontend/eslint.config.js \
	frontend/index.html \
	frontend/package-lock.json \
	frontend/package.json \
	frontend/plugins \
	frontend/public \
	frontend/scripts \
	frontend/service_worker \
	frontend/src \
	frontend/tests \
	frontend/tsconfig.json \
	frontend/vite.config.ts
