"""The problem that is solved: loss over rows (`problem`), penalties (`penalties`), and both from labels (`build`)."""
