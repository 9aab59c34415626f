;;; edit.el --- saves in emacs --batch, with the error as one line: the debugger's cuts file names.
(setq vc-handled-backends nil)

(defmacro telling (&rest body)
  `(condition-case problem
       (progn ,@body)
     (error (message "%s" (error-message-string problem))
            (kill-emacs 1))))

(defun saving (&rest settings)
  "Replace \"old\" by $to in the file that is open and save it; SETTINGS are variables and their values."
  (while settings
    (set (pop settings) (pop settings)))
  (telling
   (search-forward "\"old\"")
   (replace-match (getenv "to") t t)
   (save-buffer)))

(defun writing ()
  "Write the text of the file $new into the record."
  (telling
   (insert-file-contents (getenv "new"))
   (write-region nil nil (getenv "rec"))))
