"""Networks that Cerberus is compared with, each from its paper, with Cerberus' interface around it."""
