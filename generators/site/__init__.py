"""What the site build needs: hooks.py is what MkDocs calls, over plain functions in the modules beside it."""
