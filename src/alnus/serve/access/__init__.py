"""Who may come in: passwords, sessions, API keys, forms that are really ours, and how often one may try."""
