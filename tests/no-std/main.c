/* Links the library and runs it once. */

int hba_no_std(void);

int main(void)
{
	return hba_no_std();
}
