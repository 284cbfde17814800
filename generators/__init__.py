"""Everything that writes a file: data, training, experiments, records, figures, and the site."""
